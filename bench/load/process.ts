/** What Linux tells of a process; NaN on other systems. */

function read(pid: number, file: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${file}`);
  } catch {
    return "";
  }
}

/** Seconds of CPU that all threads of a process have used, in steps of 10 ms. */
export function cpuOf(pid: number): number {
  const stat = read(pid, "stat");
  // the name, in parentheses, may have spaces; utime and stime are fields 14 and 15, in ticks of a hundredth
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Bytes of memory that a process holds now, or the most that it has held. */
export function memoryOf(pid: number, which: "now" | "peak"): number {
  const name = which === "now" ? "VmRSS" : "VmHWM";
  return Number(read(pid, "status").match(`${name}:\\s*(\\d+) kB`)?.[1] ?? NaN) * 1024;
}
