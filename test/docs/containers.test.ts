import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/dev-env';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';

/** Checks the privileges of containers in the given deployments. */

const root = projectRoot();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const OURS = ['gateway', 'message', 'offline', 'media', 'push'];

interface ComposeService {
  image: string;
  user?: string;
  privileged?: boolean;
  read_only?: boolean;
  cap_drop?: string[];
  cap_add?: string[];
  security_opt?: string[];
  volumes?: string[];
}

interface Container {
  name: string;
  image: string;
  securityContext?: Record<string, unknown>;
}

interface PodSpec {
  automountServiceAccountToken?: boolean;
  hostNetwork?: boolean;
  securityContext?: Record<string, unknown>;
  initContainers?: Container[];
  containers: Container[];
}

interface Workload {
  kind: string;
  metadata: { name: string };
  spec?: { template?: { spec: PodSpec } };
}

describe('the image', () => {
  test('runs as its own user', () => {
    const users = [...read('Dockerfile').matchAll(/^USER (\S+)/gm)].map(([, user]) => user);
    expect(users).toEqual(['node']);
  });
});

describe('containers of compose', () => {
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, ComposeService>;
  };
  const ours = Object.entries(services).filter(([, { image }]) => image.includes('huizhi'));

  test('include all services and migrations', () => {
    expect(ours.map(([name]) => name).sort()).toEqual([...OURS, 'migrate-message', 'migrate-offline'].sort());
  });

  test.each([...ours, ['nats', services['nats']!] as const])(
    '%s runs read-only, without capabilities or new privileges, and not as root',
    (_, service) => {
      expect(service).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
      expect(service.cap_add ?? []).toEqual([]);
      expect(service.privileged ?? false).toBe(false);
      // Our image sets its own user; other images may run as root.
      const imageUser = service.image.includes('huizhi') ? 'node' : 'root';
      expect(service.user ?? imageUser).not.toMatch(/^(root|0)(:|$)/);
      expect((service.volumes ?? []).filter((volume) => !volume.endsWith(':ro'))).toEqual([]);
    },
  );
});

describe('containers of Kubernetes', () => {
  const workloads = readdirSync(join(root, 'k8s/base'))
    .filter((file) => file.endsWith('.yaml'))
    .flatMap((file) => parseAllDocuments(read(`k8s/base/${file}`)).map((document) => document.toJS() as Workload))
    .flatMap(({ metadata, spec }) => (spec?.template ? [{ name: metadata.name, pod: spec.template.spec }] : []));

  test('include all services, migrations and servers', () => {
    const expected = [...OURS, 'migrate-message', 'migrate-offline', 'nats', 'postgres'];
    expect(workloads.map(({ name }) => name).sort()).toEqual(expected.sort());
  });

  test.each(workloads)('$name runs read-only, without capabilities or new privileges, and not as root', ({ pod }) => {
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(pod.securityContext?.['runAsUser']).toBeGreaterThan(0);
    expect(pod.hostNetwork ?? false).toBe(false);
    const containers = [...(pod.initContainers ?? []), ...pod.containers];
    for (const { securityContext } of containers) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });
});
