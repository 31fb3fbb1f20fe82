/** Starts those of the Python peers that are asked for and can be started on this machine. */
import type { Cleanup } from '../cleanup.js';
import { PEER_NAMES, type PeerName } from '../options.js';
import { hasPythonPeers, PythonPeer } from './python.js';

export class PythonPeers {
  /** Those that could not be started are not tried again. */
  private names: readonly PeerName[];

  /** @param asked undefined: those that there are @param leaveOut hears which are not in the comparison, and why */
  constructor(
    asked: readonly PeerName[] | undefined,
    private readonly signal: AbortSignal,
    private readonly leaveOut: (line: string) => void,
  ) {
    this.names = hasPythonPeers() ? (asked ?? PEER_NAMES) : [];
    if (!hasPythonPeers() && asked?.length !== 0)
      leaveOut('bench/recipe is not there: nothing is compared with it');
  }

  /** @throws the signal's reason */
  async start(pollMs: number, cleanup: Cleanup): Promise<PythonPeer[]> {
    const peers: PythonPeer[] = [];
    for (const name of this.names) {
      try {
        const peer = await PythonPeer.start(name, pollMs, this.signal);
        cleanup.add(() => peer.stop());
        peers.push(peer);
      } catch (error) {
        this.signal.throwIfAborted();
        this.names = this.names.filter((each) => each !== name);
        this.leaveOut((error as Error).message);
      }
    }
    return peers;
  }
}
