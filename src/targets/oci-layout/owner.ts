import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { kill, pid as ownPid } from 'node:process'

/** A process that has something in a layout: a lock, or a temporary file. */
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
