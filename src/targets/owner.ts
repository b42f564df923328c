import { hash } from 'node:crypto'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { kill, pid as ownPid } from 'node:process'

/** A process that has something on a disk which others use too: a lock, or a temporary file. */
export interface Owner {
  readonly pid: number
  /**
   * The host and, on Linux, its namespace of process ids and its boot: containers can share a host name, but not their
   * processes, and two hosts of one name have the same first namespace, but not the same boot.
   */
  readonly host: string
}

/** This process. */
export async function currentOwner(): Promise<Owner> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  return { pid: ownPid, host: [hostname(), namespace, boot.trim()].join(' ').trimEnd() }
}

/** True if the owner was on the same host as `observer` and its process is gone. False also means: cannot be known. */
export function isGone(owner: Owner, observer: Owner): boolean {
  if (owner.host !== observer.host) return false
  try {
    kill(owner.pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

/** What the name of a temporary file says of its owner, so that another process can ask `isNamedOwnerGone`. */
export function ownerName({ host, pid }: Owner): string {
  return `${hostCode(host)}-${pid}`
}

/** All that `ownerName` can make, as a part of a regular expression. */
export const ownerNamePattern = '[0-9a-f]{16}-\\d{1,10}'

/** As `isGone`, of the owner that has this name. */
export function isNamedOwnerGone(name: string, observer: Owner): boolean {
  const [code, pid] = name.split('-')
  return code === hostCode(observer.host) && isGone({ ...observer, pid: Number(pid) }, observer)
}

function hostCode(host: string): string {
  return hash('sha256', host).slice(0, 16)
}
