import { stdout } from 'node:process'
import { printableJson } from '../../content/printable.ts'

/**
 * Writes data, and resolves when it is out of the process: false if nobody reads it any more. Another failure, such
 * as a full disk behind a redirection, rejects.
 */
export function writeData(text: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    stdout.write(text, (error) => {
      if (!error) resolve(true)
      else if ('code' in error && error.code === 'EPIPE') resolve(false)
      else reject(error)
    })
  })
}

/** JSON for people and programs: what could steer a terminal is escaped, as JSON allows. */
export function formatJson(value: unknown): string {
  return `${printableJson(JSON.stringify(value, undefined, 2))}\n`
}

/** The same in one line. */
export function formatJsonLine(value: unknown): string {
  return `${printableJson(JSON.stringify(value))}\n`
}
