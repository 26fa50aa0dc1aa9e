import { killEverywhere } from './kill.js'

killEverywhere(['merge', 'sync', 'scd2', 'cdc', 'delete'])
