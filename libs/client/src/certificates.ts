import { serverOf, type Address } from './address.js';
import { CertificateError } from './errors.js';

/** Codes that Node gives to errors of a certificate's verification: OpenSSL's names, and its own for a wrong host name. */
const CODES =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|ERROR_IN_CERT_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)/;

/** A CertificateError when that is what the error means, otherwise the error itself. */
export function asCertificateError(address: Address, error: Error): Error {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && CODES.test(code) ? new CertificateError(serverOf(address), error) : error;
}
