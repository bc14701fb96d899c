import { CertificateError, ConnectFailedError, LoginRefusedError, UpgradeRefusedError } from '@huizhi/client';

/** The error's message and the option that may fix it. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const hint = hintFor(error);
  return hint === undefined ? error.message : `${error.message}\n${hint}`;
}

/** Whether a retry cannot succeed: the server is unreachable or refuses this command. */
export const isHopeless = (error: unknown): boolean =>
  error instanceof ConnectFailedError ||
  error instanceof CertificateError ||
  error instanceof UpgradeRefusedError ||
  error instanceof LoginRefusedError;

function hintFor(error: Error): string | undefined {
  if (error instanceof CertificateError) {
    return error.code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? 'Use a name or address of the certificate: --host.'
      : 'Set the certificate or authority to trust: --ca.';
  }
  if (error instanceof UpgradeRefusedError)
    return 'The server at this address is not a gateway: see --host, --port and --mode.';
  if (error instanceof LoginRefusedError && error.error === 'badToken') {
    return 'Tokens must be signed with the secret of the target system: --token-secret-file.';
  }
  if (!(error instanceof ConnectFailedError)) return undefined;
  if (error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') return 'See --host.';
  if (error.code === 'ECONNREFUSED')
    return 'Is the system running? See --host and --port, or --data for a system on this machine.';
  return 'See --host and --port; --no-tls and --mode must match the port.';
}
