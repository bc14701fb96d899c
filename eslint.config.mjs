import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

// Which way imports may point (docs/architecture): a list names what a folder may NOT import.
const OURS = ['protocol', 'runtime', 'client', 'dev-env', 'history-checker'];
const allow = (...names) => OURS.filter((name) => !names.includes(name));

/** What a library offers beside its index. */
const ENTRIES = ['@huizhi/protocol/client', '@huizhi/runtime/database', '@huizhi/client/browser'];

/** Aliases that are closed here, and relative paths that leave the app or library by the back door. */
const arrows = (allowed, why, more = []) => ({
  'no-restricted-imports': [
    'error',
    {
      patterns: [
        ...more,
        ...allow(...allowed).map((name) => ({ group: [`@huizhi/${name}`, `@huizhi/${name}/*`], message: why })),
        {
          group: [...OURS.map((name) => `@huizhi/${name}/*`), ...ENTRIES.map((name) => `!${name}`)],
          message: 'Import a library by its name: its index is what it offers.',
        },
        {
          regex:
            '^(\\.\\./)+(apps|libs|tools)/|^(\\.\\./)+(gateway|message|offline|media|push|cli|protocol|runtime|client|dev-env|history-checker|load|fuzz)/src/',
          message: 'No relative way into another app or library: use @huizhi/<library>; never app to app.',
        },
      ],
    },
  ],
});

const IO = [
  'child_process',
  'dgram',
  'dns',
  'fs',
  'fs/promises',
  'http',
  'http2',
  'https',
  'net',
  'tls',
  'worker_threads',
].flatMap((name) => [name, `node:${name}`]);

const noEnv = {
  'no-restricted-properties': [
    'error',
    {
      object: 'process',
      property: 'env',
      message: 'The environment is read in *config*.ts only: take a typed config.',
    },
  ],
};

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.data/', 'coverage/', 'docs/generated/', 'bench/results/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    settings: {
      'import-x/extensions': ['.ts'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
      'import-x/resolver-next': [
        importX.createNodeResolver({ extensions: ['.ts'], extensionAlias: { '.js': ['.ts', '.js'] } }),
      ],
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // An interface wants a promise where an implementation has nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'max-lines': ['error', { max: 400 }],
      'no-console': 'error',
      eqeqeq: 'error',
      ...noEnv,
    },
  },
  // Arrows: apps -> runtime -> protocol; cli, tools and test -> client, dev-env, history-checker, protocol; what cli asks of the
  // control plane -> runtime.
  {
    files: ['apps/{gateway,message,offline,media,push}/**/*.ts'],
    rules: arrows(['runtime', 'protocol'], 'A service imports runtime and protocol only.'),
  },
  {
    files: ['apps/cli/**/*.ts', 'tools/{load,fuzz}/**/*.ts', 'test/**/*.ts'],
    rules: arrows(
      ['client', 'dev-env', 'history-checker', 'protocol'],
      'Tools and tests see the system from outside: client, dev-env, history-checker, protocol.',
    ),
  },
  // `hz` speaks to the control plane with the client that the services have.
  {
    files: ['apps/cli/src/control.ts'],
    rules: arrows(['runtime', 'protocol'], 'The control plane needs runtime and protocol only.'),
  },
  {
    files: ['libs/runtime/**/*.ts', 'libs/client/**/*.ts'],
    rules: arrows(['protocol'], 'This library imports protocol only.'),
  },
  // The SDK runs in browsers; what is Node's own is reached from its Node entries only. A test bundles and looks, too.
  {
    files: ['libs/client/src/**/*.ts'],
    ignores: ['libs/client/src/{index,node,node-transport,tls-*}.ts'],
    rules: arrows(['protocol'], 'This library imports protocol only.', [
      { group: ['node:*', 'ws'], message: 'A browser has no such module: this belongs behind node-transport.ts.' },
      { regex: '/(index|node|node-transport|tls-[a-z]+)\\.js$', message: "Node's part of the SDK: not from here." },
      { regex: '^@huizhi/protocol$', message: 'Import @huizhi/protocol/client: the whole needs Node.' },
    ]),
  },
  // It gives the servers their allow-lists.
  { files: ['tools/dev-env/**/*.ts'], rules: arrows(['protocol'], 'This tool imports protocol only.') },
  {
    files: ['tools/history-checker/**/*.ts'],
    rules: arrows(['client', 'protocol'], 'This tool imports client and protocol only.'),
  },
  {
    files: ['libs/protocol/src/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: IO.map((name) => ({ name, message: 'protocol is pure: bytes in, messages out, no I/O.' })),
          patterns: [{ group: ['@huizhi/*', '@nestjs/*'], message: 'protocol imports nothing of ours, and no Nest.' }],
        },
      ],
    },
  },
  // A service's tests boot what they need.
  {
    files: [
      'apps/**/*.test.ts',
      'apps/**/testing/**/*.ts',
      'libs/{runtime,client}/**/*.test.ts',
      'libs/{runtime,client}/**/testing/**/*.ts',
    ],
    rules: arrows(OURS, ''),
  },
  // The model test puts the services' plain cores together in one process and makes mistakes in them: the one place that looks
  // inside several apps. The arrows are for production code; nothing may import from here.
  { files: ['test/model/**/*.ts'], rules: { 'no-restricted-imports': 'off' } },
  {
    files: [
      '**/*config*.ts',
      '**/config/**/*.ts',
      '**/*.test.ts',
      '**/testing/**/*.ts',
      'test/**/*.ts',
      'bench/**/*.ts',
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  { files: ['apps/cli/**/*.ts', 'bench/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['**/*.test.ts'],
    rules: {
      // What a test builds is often looser than what the code accepts: that is what it tests.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
