import { waitFor } from '../transport/turns.ts'
import { isSameCredential, type Credential } from './credential.ts'
import { coversScopes, scopeResource } from './scope.ts'
import type { Token } from './token.ts'

/** Which token is needed. */
export interface TokenKey {
  /** Of the registry. */
  readonly origin: string
  /** Whom it is for; undefined for the anonymous. */
  readonly credential: Credential | undefined
  /** What it must be good for, the most important one first. Not empty. */
  readonly scopes: readonly string[]
}

/** How a token is obtained. */
export interface ObtainOptions {
  /** A token that the registry has refused, and that is not given again. @default none */
  readonly refused?: string | undefined
  /** Ends the waiting for a token that another request fetches. */
  readonly signal?: AbortSignal | undefined
}

interface Entry extends Pick<TokenKey, 'credential' | 'scopes'> {
  readonly token: Promise<Token>
  /** Of the request that fetches it. */
  readonly signal: AbortSignal | undefined
}

/**
 * Tokens by registry, user, repository and scopes. Concurrent fetches of one token are one; a failure is not remembered.
 * A token for `pull,push` serves `pull`.
 */
export class TokenCache {
  /** By registry and the resource of the first scope; such a list has an entry or two. */
  readonly #entries = new Map<string, Entry[]>()

  /** A token for these scopes: one that is there, that is on its way, or that `fetch` gets now. */
  async obtain(key: TokenKey, fetch: () => Promise<Token>, options: ObtainOptions = {}): Promise<string> {
    const { refused, signal } = options
    for (;;) {
      const entry = this.#list(key).find((known) => serves(known, key))
      if (entry === undefined) return this.#fetch(key, fetch, signal)
      const found = await settled(entry, signal)
      if (found !== undefined && found.expires > performance.now() && found.token !== refused) {
        return found.token
      }
      this.#remove(key, entry)
    }
  }

  async #fetch(key: TokenKey, fetch: () => Promise<Token>, signal: AbortSignal | undefined): Promise<string> {
    const entry: Entry = { token: fetch(), credential: key.credential, scopes: key.scopes, signal }
    this.#list(key).push(entry)
    try {
      return (await entry.token).token
    } catch (error) {
      this.#remove(key, entry)
      throw error
    }
  }

  #list({ origin, scopes }: TokenKey): Entry[] {
    const group = `${origin} ${scopeResource(scopes[0] ?? '')}`
    const list = this.#entries.get(group) ?? []
    this.#entries.set(group, list)
    return list
  }

  #remove(key: TokenKey, entry: Entry): void {
    const list = this.#list(key)
    const place = list.indexOf(entry)
    if (place !== -1) list.splice(place, 1)
  }
}

function serves(entry: Entry, { credential, scopes }: TokenKey): boolean {
  return isSameCredential(entry.credential, credential) && coversScopes(entry.scopes, scopes)
}

/** The token that another request fetches; undefined if that one was aborted, which is no answer for this one. */
async function settled(entry: Entry, signal: AbortSignal | undefined): Promise<Token | undefined> {
  try {
    return await waitFor(entry.token, signal)
  } catch (error) {
    if (signal?.aborted !== true && entry.signal?.aborted === true) return undefined
    throw error
  }
}
