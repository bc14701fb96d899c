import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot, requireBinary } from '@huizhi/dev-env';
import { BUS_USERS } from '@huizhi/protocol';
import { expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';

/** Checks the bus in compose and Kubernetes: one user per service, and no secret with a default value. */

const root = projectRoot();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const SERVICES = BUS_USERS.filter((user) => user !== 'admin');
const passwordOf = (user: string): string => `NATS_${user.toUpperCase()}_PASSWORD`;
const CONFIG = 'k8s/base/nats.conf';

/** @throws the error that nats-server prints for the configuration */
function checked(env: Record<string, string>): string {
  const args = ['-t', '-c', join(root, CONFIG)];
  return execFileSync(requireBinary('natsServer'), args, { env, encoding: 'utf8', stdio: 'pipe' });
}

test('nats-server accepts nats.conf with passwords from the environment', () => {
  // Without quotes the second password would be a number.
  for (const password of ['0f3e', '1234567890', '12e45', 'true']) {
    checked(Object.fromEntries(BUS_USERS.map((user) => [passwordOf(user), `"${password}"`])));
  }
});

test.each(BUS_USERS)('nats-server does not start without the password of %s', (missing) => {
  const others = BUS_USERS.filter((user) => user !== missing);
  expect(() => checked(Object.fromEntries(others.map((user) => [passwordOf(user), '"x"'])))).toThrow(
    passwordOf(missing),
  );
});

test('compose gives the server all passwords and each service its own, without default values', () => {
  type Service = { environment?: Record<string, string>; volumes?: string[] };
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as { services: Record<string, Service> };
  expect(services['nats']?.environment).toEqual(
    Object.fromEntries(
      BUS_USERS.map((user) => [passwordOf(user), `"\${${passwordOf(user)}:?set ${passwordOf(user)} in .env}"`]),
    ),
  );
  expect(services['nats']?.volumes).toEqual([`./${CONFIG}:/etc/nats/nats.conf:ro`]);
  const users = Object.entries(services).flatMap(([name, { environment = {} }]) => {
    const { HZ_NATS_HOST, HZ_NATS_USER, HZ_NATS_PASSWORD } = environment;
    expect(environment).not.toHaveProperty('HZ_NATS_URL');
    return HZ_NATS_HOST === undefined ? [] : [[name, { HZ_NATS_HOST, HZ_NATS_USER, HZ_NATS_PASSWORD }] as const];
  });
  expect(Object.fromEntries(users)).toEqual(
    Object.fromEntries(
      SERVICES.map((service) => [
        service,
        { HZ_NATS_HOST: 'nats', HZ_NATS_USER: service, HZ_NATS_PASSWORD: `\${${passwordOf(service)}}` },
      ]),
    ),
  );
});

interface Variable {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef?: { key: string } };
}

/** The environment variables of the first container in the file's first workload. */
function environmentOf(file: string): Variable[] {
  type Workload = { spec: { template: { spec: { containers: { env: Variable[] }[] } } } };
  const [first] = parseAllDocuments(read(`k8s/base/${file}.yaml`)).map((document) => document.toJS() as Workload);
  return first?.spec.template.spec.containers[0]?.env ?? [];
}

test('Kubernetes gives the server all passwords and each service its own, all from the secret', () => {
  const { stringData } = parse(read('k8s/base/secret.example.yaml')) as { stringData: Record<string, string> };
  expect(environmentOf('nats')).toEqual([
    ...BUS_USERS.map((user) => ({
      name: user.toUpperCase(),
      valueFrom: { secretKeyRef: { name: 'huizhi', key: passwordOf(user) } },
    })),
    ...BUS_USERS.map((user) => ({ name: passwordOf(user), value: `"$(${user.toUpperCase()})"` })),
  ]);
  for (const user of BUS_USERS) expect(stringData).toHaveProperty(passwordOf(user));
  for (const service of SERVICES) {
    expect(environmentOf(service).filter(({ name }) => name.startsWith('HZ_NATS_'))).toEqual([
      { name: 'HZ_NATS_PASSWORD', valueFrom: { secretKeyRef: { name: 'huizhi', key: passwordOf(service) } } },
      { name: 'HZ_NATS_HOST', value: 'nats' },
      { name: 'HZ_NATS_USER', value: service },
    ]);
  }
});
