import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { Spool } from './spool.ts'
import { UploadSession } from './upload-session.ts'

/** Where unfinished uploads are kept, how many and for how long. */
export interface UploadSessionsOptions {
  /** Where the bytes are kept. @default the system's temporary folder */
  readonly directory?: string | undefined
  /** How many uploads may be unfinished at a time. @default 1000 */
  readonly maxUploads?: number | undefined
  /** How long an upload may lie unused. @default one hour */
  readonly uploadTimeoutMilliseconds?: number | undefined
}

interface Entry {
  readonly session: UploadSession
  readonly timer: NodeJS.Timeout
}

/** The uploads that are not finished. Each that is not used for a while ends by itself. */
export class UploadSessions {
  readonly #spool: Spool
  readonly #maxUploads: number
  readonly #uploadTimeoutMilliseconds: number
  readonly #entries = new Map<string, Entry>()
  readonly #expiring = new Set<Promise<void>>()

  constructor(options: UploadSessionsOptions = {}) {
    const { directory = tmpdir(), maxUploads = 1000, uploadTimeoutMilliseconds = 60 * 60 * 1000 } = options
    this.#spool = new Spool(directory)
    this.#maxUploads = maxUploads
    this.#uploadTimeoutMilliseconds = uploadTimeoutMilliseconds
  }

  /** A new upload to a repository; undefined if there are too many. */
  begin(name: string): UploadSession | undefined {
    if (this.#entries.size >= this.#maxUploads) return undefined
    const session = new UploadSession(randomUUID(), name, this.#spool)
    const timer = setTimeout(() => this.#expire(session), this.#uploadTimeoutMilliseconds).unref()
    this.#entries.set(session.id, { session, timer })
    return session
  }

  /** The upload of a repository with this id, which now counts as used. */
  find(name: string, id: string): UploadSession | undefined {
    const session = this.#entries.get(id)?.session
    if (session?.name !== name) return undefined
    this.touch(session)
    return session
  }

  /** Counts an upload as used. */
  touch({ id }: UploadSession): void {
    this.#entries.get(id)?.timer.refresh()
  }

  /** Forgets an upload and removes its bytes. */
  async drop(session: UploadSession): Promise<void> {
    clearTimeout(this.#entries.get(session.id)?.timer)
    this.#entries.delete(session.id)
    await session.drop()
  }

  /** Forgets all uploads. No request may be using one. */
  async close(): Promise<void> {
    const sessions = [...this.#entries.values()].map(({ session }) => this.drop(session))
    await Promise.all([...sessions, ...this.#expiring])
  }

  #expire(session: UploadSession): void {
    if (session.isBusy) {
      this.touch(session)
      return
    }
    // Nobody waits for this, so nobody could be told that the files cannot be removed.
    const removal = this.drop(session)
      .catch(() => undefined)
      .finally(() => this.#expiring.delete(removal))
    this.#expiring.add(removal)
  }
}
