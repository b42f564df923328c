import { Turns } from '../transport/turns.ts'
import { isSameCredential, type Credential, type CredentialRequest } from './credential.ts'

/** Long enough for a run to ask once per repository, short enough to notice that somebody has logged in. */
const freshMilliseconds = 5 * 60_000

interface Entry {
  readonly credential: Credential | undefined
  readonly expires: number
}

/** Remembers credentials by key for five minutes. Those who ask for one key at the same time are answered by one look-up. */
export class CredentialCache {
  readonly #entries = new Map<string, Entry>()
  readonly #turns = new Turns()

  /** What is remembered, unless it was refused, or what `find` finds now; its failure is not remembered. */
  async obtain(
    key: string,
    find: () => Credential | undefined | Promise<Credential | undefined>,
    request: Pick<CredentialRequest, 'signal' | 'refused'>,
  ): Promise<Credential | undefined> {
    const known = this.#fresh(key, request.refused)
    if (known !== undefined) return known.credential
    let found: Entry | undefined
    const look = async (): Promise<void> => {
      // Another one, whose turn was before, may have looked.
      found = this.#fresh(key, request.refused) ?? {
        credential: await find(),
        expires: performance.now() + freshMilliseconds,
      }
      this.#entries.set(key, found)
    }
    await this.#turns.take(key, look, request.signal)
    return found?.credential
  }

  #fresh(key: string, refused: Credential | undefined): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.expires <= performance.now()) return undefined
    const isRefused = refused !== undefined && isSameCredential(entry.credential, refused)
    return isRefused ? undefined : entry
  }
}
