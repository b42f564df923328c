import { join } from 'node:path'
import { env, platform } from 'node:process'
import { homeFolder } from '../../home-folder.ts'
import type { Environment } from './docker-credential.ts'

/** Where credentials are kept. */
export interface ConfigLocationOptions {
  /** The one file to look at, instead of those of docker and podman. */
  readonly file?: string | undefined
  /** Says where the files are (HOME, DOCKER_CONFIG, REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME). @default that of this process */
  readonly environment?: Environment | undefined
}

export interface ConfigLocation {
  readonly path: string
  /** The user has named it, so that it should be there. */
  readonly isNamed: boolean
}

/**
 * Where credentials are looked for, in order; the first one is where a login is kept. docker's file goes before podman's,
 * but a file that a variable names before one that is only at its usual place.
 */
export function configLocations(
  options: ConfigLocationOptions = {},
): readonly [ConfigLocation, ...ConfigLocation[]] {
  const { file, environment = env } = options
  if (file !== undefined) return [{ path: file, isNamed: true }]
  const home = homeFolder(environment)
  const { DOCKER_CONFIG: dockerFolder, REGISTRY_AUTH_FILE: authFile } = environment
  const docker = { path: join(dockerFolder || join(home, '.docker'), 'config.json'), isNamed: false }
  if (!authFile) return [docker, ...podmanLocations(home, environment)]
  const named = { path: authFile, isNamed: true }
  return dockerFolder ? [docker, named] : [named, docker]
}

/** As containers-auth.json(5) has them. */
function podmanLocations(home: string, environment: Environment): readonly ConfigLocation[] {
  const { XDG_RUNTIME_DIR: runtimeFolder, XDG_CONFIG_HOME: configFolder } = environment
  const running = runtimeFolder
    ? join(runtimeFolder, 'containers')
    : platform === 'linux' && `/run/containers/${process.getuid?.() ?? 0}`
  const folders = [...(running ? [running] : []), join(configFolder || join(home, '.config'), 'containers')]
  return folders.map((folder) => ({ path: join(folder, 'auth.json'), isNamed: false }))
}
