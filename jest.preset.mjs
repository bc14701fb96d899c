import { join } from 'node:path';

const root = import.meta.dirname;
const lib = (name) => join(root, `libs/${name}/src/index.ts`);

/** One jest project: TypeScript as ES modules through swc, the same aliases as tsconfig.json. */
export const project = (displayName, rootDir) => ({
  displayName,
  rootDir,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  setupFiles: ['reflect-metadata'],
  moduleNameMapper: {
    '^@huizhi/(protocol|runtime|database|client|testing)$': lib('$1'),
    '^@huizhi/(dev-env|history-checker)$': join(root, 'tools/$1/src/index.ts'),
    '^@huizhi/client/browser$': join(root, 'libs/client/src/browser.ts'),
    '^@huizhi/protocol/client$': join(root, 'libs/protocol/src/client.ts'),
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
          target: 'es2022',
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
});
