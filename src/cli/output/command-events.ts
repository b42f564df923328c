import { stderr } from 'node:process'
import type { CopyEvent } from '../../events.ts'
import { writeWarning } from './failure.ts'
import { describeRequest, describeWait } from './progress.ts'

/** What is shown of the events of any command. */
export interface CommandEventsOptions {
  /** Each request, and each wait. @default false */
  readonly debug?: boolean | undefined
}

/** Shows warnings on stderr, each once; with `debug` each request and each wait too. */
export function commandEvents({ debug = false }: CommandEventsOptions): (event: CopyEvent) => void {
  const isNew = newWarnings()
  return (event) => {
    if (debug) writeTrace(event)
    if (event.type === 'warning' && isNew(event)) writeWarning(event.message)
  }
}

/** For --debug: a request, or a wait before one. */
export function writeTrace(event: CopyEvent): void {
  if (event.type === 'request') stderr.write(`${describeRequest(event)}\n`)
  if (event.type === 'retry') stderr.write(`Waiting ${describeWait(event)}\n`)
}

/** False for a warning that was there before, which a registry sends with each answer; true for all other events. */
export function newWarnings(): (event: CopyEvent) => boolean {
  const known = new Set<string>()
  return (event) => {
    if (event.type !== 'warning') return true
    const key = `${event.side ?? ''} ${event.message}`
    if (known.has(key)) return false
    known.add(key)
    return true
  }
}
