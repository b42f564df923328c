import type { Descriptor } from '../../content/descriptor.ts'
import { formatBytes } from '../../content/format-bytes.ts'
import { printable } from '../../content/printable.ts'
import type { CopyEvent } from '../../events.ts'

/** Shows on stderr how a copy goes on. */
export interface Progress {
  /** Takes every event of a copy, in order. */
  hear(event: CopyEvent): void
  /** Leaves nothing on the terminal that moves, and no timer behind. */
  stop(): void
}

/** The first twelve digits of the digest, and what the node calls itself: its title, else its media type. */
export function describeNode({ digest, mediaType, annotations }: Descriptor): string {
  const encoded = digest.slice(digest.indexOf(':') + 1)
  const title = annotations?.['org.opencontainers.image.title']
  return `${printable(encoded.slice(0, 12))}  ${printable(title ?? mediaType)}`
}

/** What went by in a time, for people: `1.5 MiB/s`. */
export function formatRate(bytes: number, milliseconds: number): string {
  return `${formatBytes(Math.round((bytes * 1000) / Math.max(1, milliseconds)))}/s`
}

/** `GET https://host/v2/… 200 12 ms`, and below it the headers where they were traced, for --debug. */
export function describeRequest(event: CopyEvent & { type: 'request' }): string {
  const { side, method, url, status, milliseconds } = event
  const where = side === undefined ? '' : `${side} `
  const { requestHeaders = {}, responseHeaders = {} } = event
  const lines = [
    `${where}${method} ${url} ${status} ${Math.round(milliseconds)} ms`,
    ...Object.entries(requestHeaders).map(([name, value]) => `> ${name}: ${value}`),
    ...Object.entries(responseHeaders).map(([name, value]) => `< ${name}: ${value}`),
  ]
  return lines.map(printable).join('\n')
}

/** `1.5 s before attempt 2: HEAD https://host/v2/… failed (503 Service Unavailable)`. */
export function describeWait(event: CopyEvent & { type: 'retry' }): string {
  const { method, url, attempt, reason, milliseconds } = event
  return printable(
    `${(milliseconds / 1000).toFixed(1)} s before attempt ${attempt}: ${method} ${url} (${reason})`,
  )
}
