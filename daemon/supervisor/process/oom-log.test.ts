import t from 'tap';
import { parseOomLog } from './oom-log.ts';

const log = (group: string, pid: number): string[] =>
  [
    'tail invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
    ' dump_stack_lvl+0x57/0x80',
    'memory: usage 16384kB, limit 16384kB, failcnt 315',
    'memory+swap: usage 16384kB, limit 32768kB, failcnt 0',
    'kmem: usage 316kB, limit 9007199254740988kB, failcnt 0',
    `Memory cgroup stats for ${group}:`,
    'cache 4096',
    'rss 16261120',
    'shmem 0',
    'pgpgin 4234',
    'hierarchical_memory_limit 16777216',
    'total_rss 16261120',
    'Tasks state (memory values in pages):',
    '[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name',
    '[   6737]     0  6737      567      188        0      188         0    36864        0             0 sh',
    `[   ${pid}]     0  ${pid}     4466     4092     3936      156         0    77824        0             0 tail`,
    `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=${group},task_memcg=${group},task=tail,pid=${pid},uid=0`,
    `Memory cgroup out of memory: Killed process ${pid} (tail) total-vm:17864kB, anon-rss:15744kB, file-rss:624kB, shmem-rss:0kB, UID:0 pgtables:76kB oom_score_adj:0`,
  ].map((text, index) => `6,${index},7155511508,-;${text}\n SUBSYSTEM=x\n`);

t.test('a kill in a group', async (t) => {
  const records = [...log('/a/other', 5), '6,1,2,-;eth0: link up\n', ...log('/a/mine', 6739)];
  t.same(parseOomLog(records, '/a/mine'), [
    {
      atUs: 7155511508,
      victim: { pid: 6739, name: 'tail', anonymousBytes: 15744 * 1024, fileBytes: 624 * 1024, sharedBytes: 0 },
      usageBytes: 16 << 20,
      limitBytes: 16 << 20,
      swapUsageBytes: 16 << 20,
      swapLimitBytes: 32 << 20,
      memoryByKind: { cache: 4096, rss: 16261120 },
      processes: [
        { pid: 6739, name: 'tail', residentBytes: 4092 * 4096 },
        { pid: 6737, name: 'sh', residentBytes: 188 * 4096 },
      ],
    },
  ]);
  t.equal(parseOomLog(records, '/a').length, 2, 'groups below count');
  t.same(parseOomLog(records, '/a/min'), []);
  t.same(parseOomLog(['junk', '6,1'], '/a'), []);
});
