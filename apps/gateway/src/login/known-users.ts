/** A cache of users that are known to exist; the least recently used are dropped. */
export class KnownUsers {
  private readonly users = new Set<string>();

  constructor(private readonly limit = 100_000) {}

  has(user: string): boolean {
    if (!this.users.delete(user)) return false;
    this.users.add(user);
    return true;
  }

  add(user: string): void {
    this.users.add(user);
    for (const oldest of this.users) {
      if (this.users.size <= this.limit) break;
      this.users.delete(oldest);
    }
  }
}
