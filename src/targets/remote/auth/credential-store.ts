import { formatAuthEntry } from './auth-entry.ts'
import { changeConfigFile, readConfigFile } from './config-file.ts'
import { configLocations } from './config-locations.ts'
import { eraseFromHelper, storeInHelper } from './docker-credential.ts'
import type { Credential } from './credential.ts'
import { canonicalRegistry, keyOfRegistry, keysOfPlace } from './registry-name.ts'
import { helperOf, type StoredCredentialsOptions } from './stored-credentials.ts'

/** Where a credential is kept. */
export interface CredentialPlace {
  /** The file, or that which names the helper. */
  readonly file: string
  /** Keeps it instead of the file, which has it as plain text. */
  readonly helper: string | undefined
}

export interface CredentialStoreOptions extends StoredCredentialsOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Keeps a credential where `storedCredentials` with these options looks first: with the helper that its file names for
 * the registry, else in the file. What the file had for the registry is replaced.
 * Errors: AUTH for a file that is none, or a helper that fails; UNSUPPORTED; LOCKED; those of the file system.
 */
export async function storeCredential(
  registry: string,
  credential: Credential,
  options: CredentialStoreOptions = {},
): Promise<CredentialPlace> {
  const [{ path: file }] = configLocations(options)
  const helper = await helperIn(file, registry, options)
  const key = keyOfRegistry(registry)
  if (helper !== undefined) await storeInHelper(helper, key, credential, options)
  await changeConfigFile(
    file,
    ({ auths }) => {
      const others = withoutRegistry(auths, registry)
      if (helper === undefined) return others.set(key, formatAuthEntry(credential))
      return others.size === auths.size ? undefined : others
    },
    options,
  )
  return { file, helper }
}

/**
 * Forgets what is kept for a registry there; false if there was nothing. What is kept for namespaces in it stays.
 * Errors as of `storeCredential`.
 */
export async function eraseCredential(
  registry: string,
  options: CredentialStoreOptions = {},
): Promise<boolean> {
  const [{ path: file }] = configLocations(options)
  const config = await readConfigFile(file, options)
  if (config === undefined) return false
  const helper = helperOf(config, registry)
  const wasKept = helper !== undefined && (await eraseFromHelper(helper, keyOfRegistry(registry), options))
  let isInFile = false
  await changeConfigFile(
    file,
    ({ auths }) => {
      const others = withoutRegistry(auths, registry)
      isInFile = others.size < auths.size
      return isInFile ? others : undefined
    },
    options,
  )
  return wasKept || isInFile
}

async function helperIn(
  file: string,
  registry: string,
  options: CredentialStoreOptions,
): Promise<string | undefined> {
  const config = await readConfigFile(file, options)
  return config && helperOf(config, registry)
}

/** Without all spellings of the registry, not those of its namespaces. */
function withoutRegistry(auths: ReadonlyMap<string, unknown>, registry: string): Map<string, unknown> {
  const keys = new Set(keysOfPlace(auths.keys(), canonicalRegistry(registry)))
  return new Map([...auths].filter(([key]) => !keys.has(key)))
}
