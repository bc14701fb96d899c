import { transformFile } from '@swc/core';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '../../../..');
const SWC = {
  swcrc: false,
  module: { type: 'es6' as const },
  jsc: {
    parser: { syntax: 'typescript' as const, decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    target: 'es2022' as const,
    keepClassNames: true,
  },
};

/** Libraries of this repository compiled to JavaScript, so that a test can start processes without a build. */
export class Compiled {
  private constructor(readonly folder: string) {}

  static async create(libraries: readonly string[]): Promise<Compiled> {
    // Inside the project, so that its packages are resolved; ignored by git.
    const compiled = new Compiled(join(ROOT, '.data', `compiled-${process.pid}`));
    await Promise.all(libraries.map((library) => compiled.library(library)));
    return compiled;
  }

  /** Writes a program beside the libraries; it may import `@huizhi/<library>`. @returns its path */
  async program(name: string, source: string): Promise<string> {
    const path = join(this.folder, name);
    await writeFile(path, this.withPaths(source, path));
    return path;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  private async library(name: string): Promise<void> {
    const source = join(ROOT, 'libs', name, 'src');
    const files = (await readdir(source, { recursive: true })).filter(
      (f) => f.endsWith('.ts') && !f.includes('.test.'),
    );
    await Promise.all(
      files.map(async (file) => {
        const path = join(this.folder, name, file.replace(/\.ts$/, '.js'));
        const { code } = await transformFile(join(source, file), SWC);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, this.withPaths(code, path));
      }),
    );
  }

  private withPaths(code: string, path: string): string {
    return code.replaceAll(/(['"])@huizhi\/(\w+)\1/g, (_, quote: string, name: string) => {
      const target = relative(dirname(path), join(this.folder, name, 'index.js'));
      return `${quote}${target.startsWith('.') ? target : `./${target}`}${quote}`;
    });
  }
}
