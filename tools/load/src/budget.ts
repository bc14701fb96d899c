/**
 * CPU budget in microseconds per message between two users at 5,000 messages/s, by service. PostgreSQL counts with all
 * its processes.
 */
export const budget: Readonly<Record<string, number>> = {
  gateway: 85,
  message: 40,
  offline: 35,
  nats: 30,
  postgres: 70,
  services: 260,
  generator: 80,
};
