// Scores results of the suite: node score.mjs SUITE RESULTS.json [PEER.json …]. Tests for browsers alone are left out.
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
const [suite, ...files] = process.argv.slice(2)
const load = file => import(pathToFileURL(path.resolve(suite, file)))
const tests = (await load('tests/index.mjs')).default
const { determineTestResult, resultTypes } = await load('test-engine/lib/results.mjs')
const names = new Map(Object.entries(resultTypes).map(([name, type]) => [type, name]))
const all = files.map(file => ({ name: path.basename(file, '.json'), results: JSON.parse(fs.readFileSync(file)) }))
const score = ({ results }, kind, suites = tests) => {
  let pass = 0; let of = 0
  for (const s of suites) {
    for (const t of s.tests) {
      if (t.browser_only || (t.kind || 'required') !== kind) continue
      of++
      if (results[t.id] !== undefined && ['pass', 'yes'].includes(names.get(determineTestResult(tests, t.id, results)))) pass++
    }
  }
  return [pass, of]
}
console.log('cache'.padEnd(16), 'required'.padStart(10), 'optimal'.padStart(10))
for (const cache of all) console.log(cache.name.padEnd(16), ...['required', 'optimal'].map(kind => score(cache, kind).join('/').padStart(10)))
console.log('\nby suite, required and optimal, of', all[0].name)
for (const s of tests) {
  const [r, o] = ['required', 'optimal'].map(kind => score(all[0], kind, [s]))
  if (r[1] + o[1] > 0) console.log(' ', s.id.padEnd(20), r.join('/').padStart(8), o.join('/').padStart(8))
}
console.log('\nnot passed by', all[0].name)
for (const s of tests) {
  for (const t of s.tests) {
    const kind = t.kind || 'required'
    if (t.browser_only || kind === 'check') continue
    const type = names.get(determineTestResult(tests, t.id, all[0].results))
    if (type !== 'pass') console.log(' ', kind.padEnd(9), t.id.padEnd(44), type, JSON.stringify(all[0].results[t.id]))
  }
}
