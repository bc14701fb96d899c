import tseslint from 'typescript-eslint';

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
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // An interface wants a promise where an implementation has nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      'max-lines': ['error', { max: 400 }],
      'no-console': 'error',
      eqeqeq: 'error',
      ...noEnv,
    },
  },
  // The SDK runs in browsers; what is Node's own is reached from its Node entries only. A test bundles and looks, too.
  {
    files: ['libs/client/src/**/*.ts'],
    ignores: ['libs/client/src/{index,node,node-transport,tls-*}.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['node:*', 'ws'],
              message: 'A browser has no such module: this belongs behind node-transport.ts.',
            },
            {
              regex: '/(index|node|node-transport|tls-[a-z]+)\\.js$',
              message: "Node's part of the SDK: not from here.",
            },
            { regex: '^@huizhi/protocol$', message: 'Import @huizhi/protocol/client: the whole needs Node.' },
          ],
        },
      ],
    },
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
  { files: ['libs/client/**/*.test.ts', 'libs/client/**/testing/**/*.ts'], rules: { 'no-restricted-imports': 'off' } },
  {
    files: ['**/*config*.ts', '**/config/**/*.ts', '**/*.test.ts', '**/testing/**/*.ts', 'test/**/*.ts'],
    rules: { 'no-restricted-properties': 'off' },
  },
  { files: ['apps/cli/**/*.ts', 'tools/**/*.ts'], rules: { 'no-console': 'off' } },
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
