import { run, type Peer, type RunOptions } from '../support/peers.ts'

/** Where a peer copies from or to: a repository of a registry over plain HTTP, or a layout. */
export interface Spot {
  /** HOST:PORT/NAME. */
  readonly repository?: string
  /** The path of a folder. */
  readonly layout?: string
  /** A tag, or a digest where the peer can take one. */
  readonly reference: string
}

export interface PeerCopyOptions extends RunOptions {
  /** For the registry at either end. */
  readonly user?: { readonly username: string; readonly password: string } | undefined
  /** What refers to the node goes too; orascopy alone does that here. @default false */
  readonly isExtended?: boolean | undefined
}

/** A program that copies whole graphs, with all platforms and with their bytes as they are. */
export type Copier = 'skopeo' | 'crane' | 'regctl' | 'orascopy'

/** The copiers, in the order in which tests take them. */
export const copiers: readonly Copier[] = ['skopeo', 'crane', 'regctl', 'orascopy'] satisfies readonly Peer[]

/** Copies with a peer; rejects with what it printed if it fails. */
export async function peerCopy(
  copier: Copier,
  from: Spot,
  to: Spot,
  { user, isExtended = false, ...options }: PeerCopyOptions = {},
): Promise<void> {
  const extended = isExtended ? ['--extended'] : []
  const args = [...extended, ...commands[copier](from, to, user)]
  const { code, stdout, stderr } = await run(copier, args, options)
  if (code !== 0) throw new Error(`${copier} ${args.join(' ')}: exit code ${code}: ${stderr}${stdout}`)
}

type Command = (from: Spot, to: Spot, user: PeerCopyOptions['user']) => readonly string[]

const commands: Readonly<Record<Copier, Command>> = {
  skopeo(from, to, user) {
    const sides = [...skopeoFlags('src', from, user), ...skopeoFlags('dest', to, user)]
    const common = ['--insecure-policy', 'copy', '--quiet', '--all', '--preserve-digests']
    return [...common, ...sides, skopeoReference(from), skopeoReference(to)]
  },
  crane(from, to) {
    if (from.layout !== undefined) return ['push', from.layout, join(to)]
    if (to.layout !== undefined) return ['pull', '--format', 'oci', join(from), to.layout]
    return ['copy', join(from), join(to)]
  },
  regctl(from, to, user) {
    const hosts = [from, to].flatMap(({ repository }) => (repository === undefined ? [] : hostOf(repository)))
    const login = user === undefined ? '' : `,user=${user.username},pass=${user.password}`
    const settings = [...new Set(hosts)].map((host) => `--host=reg=${host},tls=disabled${login}`)
    const [source, destination] = [from, to].map((spot) => `${spot.layout ? 'ocidir://' : ''}${join(spot)}`)
    return [...settings, 'image', 'copy', source ?? '', destination ?? '']
  },
  orascopy(from, to, user) {
    const login = user === undefined ? [] : [`--username=${user.username}`, `--password=${user.password}`]
    return [...login, ...[from, to].map((spot) => `${spot.layout ? 'oci:' : 'http://'}${join(spot)}`)]
  },
}

function skopeoFlags(side: 'src' | 'dest', { layout }: Spot, user: PeerCopyOptions['user']): string[] {
  if (layout !== undefined) return []
  const login = user === undefined ? [] : [`--${side}-creds=${user.username}:${user.password}`]
  return [`--${side}-tls-verify=false`, ...login]
}

function skopeoReference(spot: Spot): string {
  return `${spot.layout === undefined ? 'docker://' : 'oci:'}${join(spot)}`
}

function join({ repository, layout, reference }: Spot): string {
  return `${repository ?? layout}${reference.includes(':') ? '@' : ':'}${reference}`
}

function hostOf(repository: string): string {
  return repository.slice(0, repository.indexOf('/'))
}
