// Environments of what the scripts start. The caller's shell may be set up for other work: NODE_ENV=production of a server, PGSSLMODE of a
// database elsewhere, npm settings of another project. None of it may decide whether this project installs, builds and starts.

/** What programs need to run at all, and to reach a registry from behind a proxy. */
const KEPT = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TERM', 'TMPDIR', 'TMP', 'TEMP', 'APPDATA', 'SYSTEMROOT'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS'],
]);

/** npm settings that say where packages come from and how to get there; all others say what to do, and that the scripts do. */
const NPM_KEPT =
  /^npm_config_(registry|_?.*:registry|\/\/.*|https?_?-?proxy|no_?proxy|ca|cafile|cert|key|strict[_-]ssl|cache|userconfig|globalconfig|fetch[_-].*|maxsockets|prefer[_-]offline|offline)$/i;

/** For npm and the build: an empty environment but for the above. */
export function toolEnvironment(env) {
  return filtered(env, (name) => KEPT.has(name.toUpperCase()) || NPM_KEPT.test(name));
}

/**
 * `npm install` with everything that the build and the tests need. Flags win over the environment, ~/.npmrc and /etc/npmrc, where
 * `omit=dev`, `production` or `global` may be set. Not `npm ci`: with npm 11 it can reject a lock file that lists other platforms'
 * packages.
 */
export const installArguments = [
  ...['install', '--no-audit', '--no-fund', '--ignore-scripts'],
  ...['--include=dev', '--include=optional', '--include=peer'],
  ...['--global=false', '--dry-run=false', '--package-lock=true', '--engine-strict=false', '--save=true'],
];

/**
 * For `hz up` and jest: as it is, since the services' variables are in it, but for what Node, node-postgres and OpenSSL read by
 * themselves. NODE_ENV stays: `hz up` says what it does with it.
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
