import type { Mode } from '@huizhi/client';

export interface DemoTarget {
  host: string;
  port: number;
  /** PEM of the certificate to trust; empty if the server runs without TLS. */
  ca: string;
  /** Default: lines. */
  mode?: Mode;
  /** The system requires no tokens (`HZ_AUTH=open`), so the refusal of a wrong token is not checked. */
  open?: boolean;
  token(userID: string): Promise<string>;
}
