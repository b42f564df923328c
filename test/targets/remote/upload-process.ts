import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { argv, stdout } from 'node:process'
import type { Content } from '../../../src/content/content.ts'
import { Repository } from '../../../src/targets/remote/repository.ts'
import { blob } from '../contract/support.ts'

// A process of its own: pushes a file as a blob to a repository, with a journal, and says what came of it. With
// `stallAt` it reads so many bytes of the file, says so, and waits to be killed.
const [name = '', uploadJournal = '', file = '', chunkBytes = 'Infinity', stallAt = 'Infinity'] =
  argv.slice(2)

async function* read(start: number): AsyncGenerator<Uint8Array> {
  let position = start
  for await (const chunk of createReadStream(file, { start })) {
    const bytes = chunk as Buffer
    const taken = bytes.subarray(0, Number(stallAt) - position)
    yield taken
    position += taken.length
    if (taken.length === bytes.length) continue
    stdout.write('stalled')
    setInterval(() => {}, 60_000)
    await new Promise(() => {})
  }
}

const content: Content = { [Symbol.asyncIterator]: () => read(0), from: read }
await using repository = new Repository(name, { uploadJournal, chunkBytes: Number(chunkBytes) })
stdout.write(await repository.push(blob(await readFile(file)), content))
