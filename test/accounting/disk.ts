import type { JournalFs } from '#radius/journal';
import { nodeFs } from '#radius/journal';

/** A disk that can be made full or broken, and that says what was asked of it. */
export class Disk implements JournalFs {
  #roomOctets = Number.POSITIVE_INFINITY;
  #broken = false;
  /** fdatasync waits until it is set to false again. */
  #held: (() => void)[] | null = null;
  readonly synced: number[] = [];
  readonly syncedFolders: string[] = [];
  syncing = 0;
  mostSyncing = 0;
  writes = 0;

  /** Writes fail with ENOSPC after this many more octets. */
  setRoom(octets: number): void {
    this.#roomOctets = octets;
  }

  /** Whether every fdatasync fails with EIO. */
  setBroken(broken: boolean): void {
    this.#broken = broken;
  }

  hold(): void {
    this.#held = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const go of held) go();
  }

  create(path: string): Promise<number> {
    return nodeFs.create(path);
  }

  async write(fd: number, buffer: Buffer, from: number, length: number, position: number): Promise<number> {
    this.writes += 1;
    if (this.#roomOctets <= 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const allowed = Math.min(length, this.#roomOctets);
    this.#roomOctets -= allowed;
    return nodeFs.write(fd, buffer, from, allowed, position);
  }

  async fdatasync(fd: number): Promise<void> {
    this.syncing += 1;
    this.mostSyncing = Math.max(this.mostSyncing, this.syncing);
    try {
      if (this.#held !== null) await new Promise<void>((resolve) => this.#held?.push(resolve));
      if (this.#broken) throw Object.assign(new Error('input/output error'), { code: 'EIO' });
      await nodeFs.fdatasync(fd);
      this.synced.push(fd);
    } finally {
      this.syncing -= 1;
    }
  }

  close(fd: number): Promise<void> {
    return nodeFs.close(fd);
  }

  remove(path: string): Promise<void> {
    return nodeFs.remove(path);
  }

  async syncFolder(path: string): Promise<void> {
    await nodeFs.syncFolder(path);
    this.syncedFolders.push(path);
  }
}
