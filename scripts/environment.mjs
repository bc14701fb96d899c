// The environments of programs that the scripts start. The caller's shell may have settings for other work, such as
// NODE_ENV=production, PGSSLMODE or npm settings. They must not affect whether this project installs, builds and
// starts.

/** Variables that programs need to run, and to reach a registry through a proxy. */
const KEPT = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TERM', 'TMPDIR', 'TMP', 'TEMP', 'APPDATA', 'SYSTEMROOT'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS'],
]);

/** npm settings for the location of packages and the access to it. The scripts decide all other settings. */
const NPM_KEPT =
  /^npm_config_(registry|_?.*:registry|\/\/.*|https?_?-?proxy|no_?proxy|ca|cafile|cert|key|strict[_-]ssl|cache|userconfig|globalconfig|fetch[_-].*|maxsockets|prefer[_-]offline|offline)$/i;

/** The environment for npm and the build: only the variables above. */
export function toolEnvironment(env) {
  return filtered(env, (name) => KEPT.has(name.toUpperCase()) || NPM_KEPT.test(name));
}

/**
 * `npm install` with everything that the build and the tests need. Flags override the environment, ~/.npmrc and
 * /etc/npmrc, where `omit=dev`, `production` or `global` may be set. Not `npm ci`: npm 11 can reject a lock file that
 * lists packages for other platforms.
 */
export const installArguments = [
  ...['install', '--no-audit', '--no-fund', '--ignore-scripts'],
  ...['--include=dev', '--include=optional', '--include=peer'],
  ...['--global=false', '--dry-run=false', '--package-lock=true', '--engine-strict=false', '--save=true'],
];

/**
 * The environment for `hz up` and jest. It keeps the services' variables, without those that Node, node-postgres and
 * OpenSSL read. NODE_ENV stays: `hz up` prints how it uses it.
 */
export function startEnvironment(env) {
  const isOurs = (name) => name === 'NODE_ENV' || name === 'NODE_EXTRA_CA_CERTS';
  return filtered(
    env,
    (name) =>
      isOurs(name) ||
      !/^(NODE_|PG[A-Z_]+$|OPENSSL_CONF$|LANG$|LANGUAGE$|LC_|TZ$|FORCE_COLOR$|NO_COLOR$|CI$)/.test(name),
  );
}

function filtered(env, isKept) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => isKept(name)));
}
