import { AuthError } from '../../../errors.ts'
import { parseAuthEntry } from './auth-entry.ts'
import { readConfigFile, type ConfigFile } from './config-file.ts'
import { configLocations, type ConfigLocationOptions } from './config-locations.ts'
import { CredentialCache } from './credential-cache.ts'
import { expectHelperTimeout, getFromHelper, type CredentialHelperOptions } from './docker-credential.ts'
import type { Credential, CredentialRequest, FindCredential } from './credential.ts'
import { canonicalRegistry, keyOfRegistry, keysOfPlace, placesOf } from './registry-name.ts'

/** Where credentials are kept, and how those who keep them are asked. */
export interface StoredCredentialsOptions
  extends ConfigLocationOptions, Pick<CredentialHelperOptions, 'helperTimeout'> {}

/**
 * Finds what docker, podman and oras have stored for a registry: in the first file that has something for it, by its
 * helper in `credHelpers`, else by `credsStore`, else in `auths`, where the longest namespace goes before the host.
 * Hosts are compared whole, with their ports. Files are read when they are needed; nothing is kept but the answers of
 * helpers, for five minutes. Errors of what is found: AUTH for a file that is none, a named file that is not there, and a
 * helper that is missing or fails: never is another credential taken instead. SIZE_EXCEEDS_LIMIT. Throws a RangeError
 * for a `helperTimeout` that is not more than 0.
 */
export function storedCredentials(
  options: StoredCredentialsOptions = {},
): (...asked: Parameters<FindCredential>) => Promise<Credential | undefined> {
  expectHelperTimeout(options.helperTimeout)
  const answers = new CredentialCache()
  return async (registry, request = {}) => {
    const { signal, refused } = request
    const askHelper: AskHelper = (helper, key) => {
      const { helperTimeout, environment } = options
      const ask = (): Promise<Credential | undefined> =>
        getFromHelper(helper, key, { signal, helperTimeout, environment })
      return answers.obtain(`${helper} ${key}`, ask, { signal, refused })
    }
    for (const location of configLocations(options)) {
      signal?.throwIfAborted()
      const config = await readConfigFile(location.path, { signal })
      if (config === undefined && location.isNamed) {
        throw new AuthError(`the file of credentials ${location.path} is not there`)
      }
      const found = config && (await findIn(config, { registry, request, path: location.path, askHelper }))
      if (found !== undefined) return found
    }
    return undefined
  }
}

/** The helper that keeps the credential of a registry; an empty name says that the file does. */
export function helperOf({ credHelpers, credsStore }: ConfigFile, registry: string): string | undefined {
  const [key] = keysOfPlace(credHelpers.keys(), canonicalRegistry(registry))
  return (key === undefined ? credsStore : credHelpers.get(key)) || undefined
}

type AskHelper = (helper: string, key: string) => Promise<Credential | undefined>

interface Search {
  readonly registry: string
  readonly request: CredentialRequest
  /** Of the file, for messages. */
  readonly path: string
  readonly askHelper: AskHelper
}

async function findIn(config: ConfigFile, search: Search): Promise<Credential | undefined> {
  const { registry, request, path, askHelper } = search
  const helper = helperOf(config, registry)
  const kept = helper === undefined ? undefined : await askHelper(helper, keyOfRegistry(registry))
  if (kept !== undefined) return kept
  for (const place of placesOf(registry, request.repository)) {
    for (const key of keysOfPlace(config.auths.keys(), place)) {
      const found = parseAuthEntry(config.auths.get(key), `the entry ${JSON.stringify(key)} of ${path}`)
      if (found !== undefined) return found
    }
  }
  return undefined
}
