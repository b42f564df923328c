// Adds up vitest's JSON reports: `node count.mjs FAILED_STEPS REPORT...`. Exit code 1 if anything failed, or was
// skipped in a report that is called peers.json: that run has all the programs which tests are skipped for.
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

const [failedSteps, ...reports] = process.argv.slice(2)
const outcomes = new Map()
let failed = Number(failedSteps)
let skippedWithPeers = 0

for (const path of reports) {
  if (!existsSync(path)) {
    console.log(`there is no ${basename(path)}`)
    failed += 1
    continue
  }
  const report = JSON.parse(readFileSync(path, 'utf8'))
  const skipped = report.testResults.flatMap(countFile).filter((outcome) => outcome === 'skipped').length
  if (!report.success && report.numFailedTests === 0 && report.numFailedTestSuites === 0) failed += 1
  if (basename(path) === 'peers.json') skippedWithPeers = skipped
}

/** A test that ran in one report and was skipped in another has run; one that failed once has failed. */
function countFile({ name, status, assertionResults }) {
  const found = assertionResults.map((result) => {
    const outcome = ['passed', 'failed'].includes(result.status) ? result.status : 'skipped'
    const key = `${name}\0${result.fullName}`
    if (weight(outcome) > weight(outcomes.get(key))) outcomes.set(key, outcome)
    return outcome
  })
  if (status === 'failed' && !found.includes('failed')) failed += 1
  return found
}

function weight(outcome) {
  return [undefined, 'skipped', 'passed', 'failed'].indexOf(outcome)
}

const count = (wanted) => [...outcomes.values()].filter((outcome) => outcome === wanted).length
failed += count('failed')
if (skippedWithPeers > 0) console.log(`${skippedWithPeers} skipped with all peers at hand`)
console.log(`${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped`)
process.exitCode = failed > 0 || skippedWithPeers > 0 ? 1 : 0
