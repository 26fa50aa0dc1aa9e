import { killEverywhere } from './kill.js'

killEverywhere(['append', 'replace', 'overwrite'])
