import type { Descriptor } from '../../src/content/descriptor.ts'
import { readAll } from '../../src/content/verify.ts'
import type { Source } from '../../src/targets/target.ts'

/** A small document of a target, verified and parsed. */
// eslint-disable-next-line typescript/no-explicit-any -- each test knows what it has put there
export async function readJson(target: Source, descriptor: Descriptor): Promise<any> {
  return JSON.parse(Buffer.from(await readAll(target.fetch(descriptor), descriptor)).toString())
}
