import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A folder that is removed when the test ends. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'copygraph-credentials-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A program `docker-credential-<name>` in a folder; `body` is JavaScript that has `verb` and `input`. */
export async function installHelper(folder: string, name: string, body: string): Promise<void> {
  const file = join(folder, `docker-credential-${name}`)
  const start = `#!${process.execPath}
const fs = require('node:fs')
const verb = process.argv[2]
const input = fs.readFileSync(0, 'utf8')
const none = () => { process.stdout.write('credentials not found in native keychain\\n'); process.exit(1) }
const answer = (Username, Secret) => process.stdout.write(JSON.stringify({ ServerURL: input, Username, Secret }))
`
  await writeFile(file, `${start}${body}\n`)
  await chmod(file, 0o755)
}

/** A helper that keeps what it is given in a file of the folder, and writes down how it was called. */
export async function installKeychain(folder: string, name: string): Promise<void> {
  await installHelper(
    folder,
    name,
    `
const file = ${JSON.stringify(join(folder, `${name}.json`))}
const log = ${JSON.stringify(join(folder, `${name}.log`))}
const kept = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {}
const key = verb === 'store' ? JSON.parse(input).ServerURL : input
fs.appendFileSync(log, verb + ' ' + key + '\\n')
if (verb === 'get') kept[key] ? answer(kept[key].Username, kept[key].Secret) : none()
if (verb === 'store') fs.writeFileSync(file, JSON.stringify({ ...kept, [key]: JSON.parse(input) }))
if (verb === 'erase') {
  if (!kept[key]) none()
  delete kept[key]
  fs.writeFileSync(file, JSON.stringify(kept))
}`,
  )
}

/** The value of `auth` in a file of credentials. */
export function authOf(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString('base64')
}
