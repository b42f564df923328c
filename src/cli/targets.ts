import type { Target } from '../targets/target.ts'
import type { Registry } from '../targets/remote/registry.ts'
import type { FindCredential } from '../targets/remote/auth/credential.ts'
import type { Transport } from '../targets/remote/transport/transport.ts'
import type { Connection } from './connection.ts'
import type { Place } from './references.ts'
import { transportOptions } from './transport-options.ts'
import { usageError } from './usage-error.ts'

/** How a target will be used. */
export interface OpenOptions {
  /** As in `RepositoryOptions`. */
  readonly chunkBytes?: number | undefined
  /** As in `RepositoryOptions`. */
  readonly uploadJournal?: string | undefined
}

/** The targets of one command. Those in one registry with the same credentials and policy share their connections. */
export class Targets {
  readonly #transports = new Map<string, Transport>()

  /** No I/O happens before the target is used. */
  async open(place: Place, connection: Connection, options: OpenOptions = {}): Promise<Target> {
    if (place.kind === 'layout') {
      const { OciLayout } = await import('../targets/oci-layout/oci-layout.ts')
      return new OciLayout(place.directory)
    }
    const { Repository } = await import('../targets/remote/repository.ts')
    const transport = await this.#transport(place.registry, connection)
    const { referrers } = connection
    return new Repository(`${place.registry}/${place.repository}`, { ...options, transport, referrers })
  }

  async openRegistry(registry: string, connection: Connection): Promise<Registry> {
    const remote = await import('../targets/remote/registry.ts')
    return new remote.Registry(registry, { transport: await this.#transport(registry, connection) })
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all(this.#transports.values().map((transport) => transport.close()))
  }

  async #transport(registry: string, connection: Connection): Promise<Transport> {
    const { Transport } = await import('../targets/remote/transport/transport.ts')
    const key = JSON.stringify([registry, connection])
    const known = this.#transports.get(key)
    if (known !== undefined) return known
    const credential = await credentialFor(registry, connection)
    try {
      const transport = new Transport({ ...transportOptions(registry, connection), credential })
      this.#transports.set(key, transport)
      return transport
    } catch (error) {
      // What flags gave has a form that the library refuses, and says which.
      throw error instanceof RangeError ? usageError(error.message) : error
    }
  }
}

/** The credential of the flags, or that of the environment if it is for this registry, or what is stored. */
async function credentialFor(registry: string, connection: Connection): Promise<FindCredential> {
  const { credential, ofEnvironment, registryConfig } = connection
  const given = credential ?? (ofEnvironment?.registry === registry ? ofEnvironment.credential : undefined)
  if (given !== undefined) return (name) => (name === registry ? given : undefined)
  const { storedCredentials } = await import('../targets/remote/auth/stored-credentials.ts')
  return storedCredentials({ file: registryConfig })
}
