import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { env } from 'node:process'
import { homeFolder } from '../../home-folder.ts'
import { AuthError, InvalidReferenceError } from '../../../errors.ts'
import { isRegistry } from '../../../content/reference.ts'
import { isFileError, readSmallFile } from '../../read-file.ts'
import { canonicalRegistry } from '../auth/registry-name.ts'
import type { FindTls, TlsMaterial } from './tls-material.ts'

/** Where certificates are looked for. */
export interface RegistryCertificatesOptions {
  /**
   * Folders that have one folder for each registry, the most important first.
   * @default `~/.config/containers/certs.d`, `/etc/containers/certs.d`, `/etc/docker/certs.d`
   */
  readonly directories?: readonly string[] | undefined
}

/**
 * Finds certificates where docker and podman have them (containers-certs.d(5)): in the first of the folders that has
 * one with the name of the registry, as references have it, `host` or `host:port`. There, each `*.crt` is trusted, and
 * `*.cert` with `*.key` of the same name shows who we are. A folder that may not be entered is passed over.
 * Errors: AUTH for a certificate without its key, a key without its certificate, two such pairs, or a file that
 * cannot be read; SIZE_EXCEEDS_LIMIT; INVALID_REFERENCE for what is no name of a registry.
 */
export function registryCertificates(options: RegistryCertificatesOptions = {}): FindTls {
  const { directories = usualDirectories() } = options
  return async (registry) => {
    if (!isRegistry(registry)) {
      throw new InvalidReferenceError(
        `${JSON.stringify(registry.slice(0, 300))} is no registry to find certificates for`,
      )
    }
    for (const directory of directories) {
      const folder = join(directory, canonicalRegistry(registry))
      const names = await namesIn(folder)
      if (names !== undefined) return materialIn(folder, names)
    }
    return undefined
  }
}

const maxFileBytes = 1024 * 1024

function usualDirectories(): readonly string[] {
  const home = env['XDG_CONFIG_HOME'] || join(homeFolder(env), '.config')
  return [join(home, 'containers', 'certs.d'), '/etc/containers/certs.d', '/etc/docker/certs.d']
}

async function namesIn(folder: string): Promise<readonly string[] | undefined> {
  try {
    return (await fs.readdir(folder)).sort()
  } catch (error) {
    // As podman does: a folder for others is none for us.
    if (isFileError(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM')) return undefined
    throw error
  }
}

async function materialIn(folder: string, names: readonly string[]): Promise<TlsMaterial> {
  const pair = pairIn(folder, names)
  const authorities = names.filter((name) => name.endsWith('.crt'))
  const [ca, certificate, key] = await Promise.all([
    Promise.all(authorities.map((name) => readPem(join(folder, name)))),
    pair && readPem(join(folder, `${pair}.cert`)),
    pair && readPem(join(folder, `${pair}.key`)),
  ])
  return { ca: ca.length === 0 ? undefined : ca.join('\n'), certificate, key }
}

/** The name that a certificate and its key have in common. */
function pairIn(folder: string, names: readonly string[]): string | undefined {
  const [certificates, keys] = ['.cert', '.key'].map((ending) =>
    names.filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length)),
  )
  const [first, second] = certificates ?? []
  const keyless = certificates?.find((name) => !keys?.includes(name))
  if (keyless !== undefined) {
    throw new AuthError(
      `${join(folder, `${keyless}.cert`)} has no key beside it: expected ${keyless}.key; a CA has the ending .crt`,
    )
  }
  const alone = keys?.find((name) => !certificates?.includes(name))
  if (alone !== undefined) {
    throw new AuthError(
      `${join(folder, `${alone}.key`)} has no certificate beside it: expected ${alone}.cert`,
    )
  }
  if (second !== undefined) {
    throw new AuthError(
      `${folder} has two certificates to show, ${first}.cert and ${second}.cert: expected one`,
    )
  }
  return first
}

async function readPem(path: string): Promise<string> {
  try {
    // Such files are often links to where they are renewed.
    const bytes = await readSmallFile(await fs.realpath(path), maxFileBytes, { fs })
    if (bytes !== undefined) return Buffer.from(bytes).toString()
  } catch (cause) {
    if (!isFileError(cause, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP')) throw cause
    throw new AuthError(`${path} cannot be read`, { cause })
  }
  throw new AuthError(`${path} is no file`)
}
