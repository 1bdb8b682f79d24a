using System.Diagnostics;
using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;

namespace Dma.Workloads;

/// <summary>How long it takes in real time until a guest has read a whole disk, once.</summary>
/// <remarks>
/// There is no baseline but the limit: the ratio is that of the time to the limit. The controller is found, started and the disk
/// enumerated before the time begins.
/// </remarks>
public static class DiskRun
{
    private const int MiB = 1 << 20;
    private const int DiskMiB = 64;
    private const int BufferBytes = 4 * MiB;
    private const ulong GuestBytes = 16 * MiB;
    private const int Seed = 4;

    private static readonly (ControllerKind Controller, string Name, int SecondsMax)[] s_runs = [(ControllerKind.Ehci, "EHCI", 3), (ControllerKind.Xhci, "xHCI", 2)];

    /// <summary>How many lines <see cref="Measure"/> gives.</summary>
    public static int Count => s_runs.Length;

    /// <summary>A disk of 64 MiB, through each controller.</summary>
    public static IEnumerable<Measurement> Measure()
    {
        foreach ((ControllerKind controller, string name, int secondsMax) in s_runs)
        {
            (TimeSpan time, long allocated) = Of(controller, DiskMiB * MiB);
            yield return new($"whole disk, {name}", $"{DiskMiB} MiB, {secondsMax} s", time.TotalNanoseconds, 0, time.TotalSeconds / secondsMax, allocated) { RatioMax = 1 };
        }
    }

    /// <summary>Reads a disk once, on a host of its own.</summary>
    /// <param name="controller">Through which controller.</param>
    /// <param name="diskBytes">Bytes of the disk, a multiple of 4 MiB.</param>
    /// <returns>Real time, and bytes of managed memory that were allocated in it.</returns>
    /// <exception cref="InvalidOperationException">The guest did not read what is on the disk.</exception>
    public static (TimeSpan Time, long Allocated) Of(ControllerKind controller, int diskBytes)
    {
        byte[] content = new byte[diskBytes];
        new Random(Seed).NextBytes(content);
        using UsbWorld world = new(controller, GuestBytes);
        world.Ports[world.DiskPort - 1].Plug(new MassStorageDevice(new MemoryDiskImage(content), speed: world.DiskSpeed));
        return world.Loop.Run(async () =>
        {
            await world.Start();
            MassStorageDriver disk = await world.OpenDisk(world.DiskPort);
            MemoryBuffer buffer = world.Driver.Memory.Allocate(BufferBytes);
            byte[] found = new byte[BufferBytes];
            TimeSpan time = default;
            long allocated = 0;
            for (int offset = 0; offset < diskBytes; offset += BufferBytes)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                long start = Stopwatch.GetTimestamp();
                await disk.Read((ulong)(offset / disk.BlockBytes), buffer);
                time += Stopwatch.GetElapsedTime(start);
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
                buffer.Read(0, found);
                if (!found.AsSpan().SequenceEqual(content.AsSpan(offset, BufferBytes)))
                    throw new InvalidOperationException($"The guest did not read what the disk has from {offset:X}h on.");
            }

            return (time, allocated);
        });
    }
}
