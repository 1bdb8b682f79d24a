using Dma.Drivers;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The main job: a guest's own drivers read a disk by direct DMA, and then everybody tries to reach what is not theirs.</summary>
/// <remarks>
/// A host with one remapping unit and two VMs. An EHCI controller with a USB disk is assigned to VM 1. Its drivers know the
/// HAL alone; HAL and VMM together open the memory that the device may reach, buffer by buffer.
/// </remarks>
/// <param name="options">What decides the run.</param>
public sealed class DirectDmaRun(DirectDmaOptions options)
{
    private const ulong HostBytes = 256 << 20;
    private const ulong GuestBytes = 4 << 20;
    private const int ControllerPlace = 0x1D;
    private const int GuestPlace = 4;

    /// <summary>Called when the disk is read and the attacks are about to begin: a test takes a protection away here.</summary>
    internal Action<Host> BeforeAttacks { get; init; } = static _ => { };

    /// <summary>Runs the scenario.</summary>
    /// <exception cref="DriverException">The guest could not read the disk: the image has bad places.</exception>
    public DirectDmaReport Run()
    {
        using Host host = new(new() { MemoryBytes = HostBytes, Profile = options.Profile, Seed = options.Seed });
        EhciController controller = new(host.Loop);
        controller.Usb.Ports[0].Plug(new MassStorageDevice(options.Disk));
        using UsbCapture? capture = options.Capture is { } stream ? new(stream, host.Loop) : null;
        capture?.Watch(controller.Usb, "usb1");
        host.Pci.Add(controller, ControllerPlace);
        host.Boot();
        DirectDmaReport report = host.Loop.Run(() => Play(host, controller.Source));
        options.Finished(host);
        return report;
    }

    private async Task<DirectDmaReport> Play(Host host, SourceId device)
    {
        VirtualMachine first = CreateMachine(host, "VM 1");
        VirtualMachine second = CreateMachine(host, "VM 2");
        AssignmentResult assigned = await host.AssignmentOf(device).Assign(first, new(0, GuestPlace, 0));
        if (!assigned.IsDone)
            throw new InvalidOperationException($"The controller cannot be assigned: {assigned.Reason}.");

        Guest guest = await Guest.Start(first, host.RandomFor("places of buffers"));
        DiskSummary disk = await ReadDisk(guest);

        // Something stays mapped, so that there is something to take.
        DmaMapping live = await guest.Map(guest.Memory.Allocate(FrameAllocator.FrameSize), DmaDirection.FromDevice);
        BeforeAttacks(host);
        AttackLedger ledger = new();
        await new DeviceAttacks(host, guest, device, second, ledger).Run();
        await new GuestAttacks(host, guest, device, second, live, ledger).Run();
        return Report(host, device, disk, ledger);
    }

    // Full of bytes that nobody can guess, so that each byte that moves is seen.
    private static VirtualMachine CreateMachine(Host host, string name)
    {
        VirtualMachine machine = host.CreateMachine(name, GuestBytes);
        byte[] pattern = new byte[GuestBytes];
        host.RandomFor($"memory of {name}").NextBytes(pattern);
        return machine.Cpu.TryWrite(new(0), pattern)
            ? machine
            : throw new InvalidOperationException($"The memory of {name} cannot be written.");
    }

    private async ValueTask<DiskSummary> ReadDisk(Guest guest)
    {
        Session session = await Session.Open(guest);
        try
        {
            (ulong bytes, byte[] sha256) = await session.ReadAll(options.Progress);
            ulong written = options.Disk.IsReadOnly ? 0 : await session.WriteLastBlockBack();
            bool matches = sha256.AsSpan().SequenceEqual(Session.HashOf(options.Disk));
            return new(bytes, Convert.ToHexStringLower(sha256), matches, written);
        }
        finally
        {
            await session.Close();
        }
    }

    private DirectDmaReport Report(Host host, SourceId device, DiskSummary disk, AttackLedger ledger)
    {
        RemappingStatistics unit = host.Unit.Statistics;
        Meter meter = host.Total();
        return new(
            disk,
            new(
                unit.BytesRead + unit.BytesWritten,
                unit.Translations,
                unit.IotlbHits,
                unit.Walks,
                unit.Invalidations,
                [.. host.Faults.Log.Select(Summarize)]),
            new(meter[Cost.Hypercall], meter[Cost.Exit]),
            new(
                ledger.Attempts.Count,
                ledger.Attempts.Count(attempt => attempt.Blocked),
                ledger.Attempts.Aggregate(0ul, (sum, attempt) => sum + attempt.BytesChanged),
                ledger.Attempts,
                device.ToString()),
            host.Loop.NowNs,
            options.Seed,
            options.Profile.Name);
    }

    private static FaultSummary Summarize(LoggedFault logged) => new(
        logged.Fault.Source.ToString(),
        (int)logged.Fault.Reason,
        logged.Fault.Reason.ToString(),
        AttackLedger.Hex(logged.Fault.Address.Value),
        logged.Fault.Write);
}
