using System.Diagnostics;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>What virtual machines cost in memory of the machine below: the resident memory of this process.</summary>
/// <remarks>
/// There is no baseline but the limit: the ratio is that of bytes to the limit, and the bytes stand where other
/// measurements have the allocated ones.
/// </remarks>
public static class MemoryUse
{
    /// <summary>How many measurements there are.</summary>
    public const int Count = 2;

    private const ulong MiB = 1 << 20;
    private const int IdleMachines = 64;
    private const int BusyMachines = 1000;
    private const int DiskBytes = 64 << 10;

    /// <summary>Measures machines that do nothing, then machines that do.</summary>
    public static IEnumerable<Measurement> Measure()
    {
        yield return Idle();
        yield return Busy();
    }

    /// <summary>Machines of 1 GiB, without software: how much each adds; at most 2 MiB.</summary>
    private static Measurement Idle()
    {
        using Host host = new(new HostOptions { MemoryBytes = (IdleMachines + 2) * 1024 * MiB });
        host.Boot();
        _ = host.CreateMachine("first", 1024 * MiB);
        long before = Resident();
        long start = Stopwatch.GetTimestamp();
        for (int number = 0; number < IdleMachines; number++)
            _ = host.CreateMachine($"{number}", 1024 * MiB);
        double ns = Stopwatch.GetElapsedTime(start).TotalNanoseconds / IdleMachines;
        double bytes = Math.Max(0, Resident() - before) / (double)IdleMachines;
        return new("memory of an idle VM", "1 GiB", ns, 0, bytes / (2 * MiB), bytes) { RatioMax = 1 };
    }

    /// <summary>A thousand machines, each with a device that its guest's drivers read from: how much the whole process has; at most 4 GiB.</summary>
    private static Measurement Busy()
    {
        long start = Stopwatch.GetTimestamp();
        using Fleet fleet = new(BusyMachines, DiskBytes);
        fleet.Run();
        double ns = Stopwatch.GetElapsedTime(start).TotalNanoseconds / BusyMachines;
        double bytes = Resident() / (double)BusyMachines;
        return new("memory of a VM that ran", $"{BusyMachines} VMs", ns, 0, bytes * BusyMachines / (4096 * MiB), bytes) { RatioMax = 1 };
    }

    private static long Resident()
    {
        GC.Collect();
        return Environment.WorkingSet;
    }
}
