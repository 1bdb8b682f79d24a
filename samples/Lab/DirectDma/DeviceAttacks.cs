using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>VM 1 attacks with its device: its driver is made to program addresses that it does not own, to be written and to be read.</summary>
/// <remarks>
/// To let the device write, the guest reads a sector into a forged address: a refused write is dropped on the bus, and the
/// driver sees success. To let it read, the memory of commands, or the whole schedule, is said to lie there: a refused
/// read stops the controller with a host system error, and the guest has to bring it up again.
/// </remarks>
/// <param name="host">The host.</param>
/// <param name="guest">The attacker's software.</param>
/// <param name="device">Its device, as the host knows it.</param>
/// <param name="neighbour">The VM that shall not notice.</param>
/// <param name="ledger">Where attempts are written down.</param>
internal sealed class DeviceAttacks(Host host, Guest guest, SourceId device, VirtualMachine neighbour, AttackLedger ledger)
{
    private const int SectorBytes = 512;
    private const int StalePages = 32;

    /// <summary>How long the host's fault handler may take, in nanoseconds.</summary>
    private const ulong SettleNs = 100_000;

    private readonly AttackTargets _targets = new(host, host.RandomFor("attacks of the device"));
    private readonly IsolationWatch _watch = new(host);
    private Session? _session;

    /// <summary>Makes all attempts.</summary>
    public async ValueTask Run()
    {
        await Write("memory of VM 2", _targets.Within(_targets.MemoryOf(neighbour)));
        await Write("the root table of the unit", _targets.RootTable());
        await Write("its own translation tables", _targets.Within(_targets.TranslationTableOf(device)));
        await Write("its own EPT tables", AttackTargets.EptOf(guest.Machine));
        await Write("the registers of the unit", new(MemoryLayout.RemappingUnit));
        await Write("the interrupt range", new(InterruptRange.First));
        await Write("beyond its address width", new(1ul << 60));
        await WriteItsOwnMemory();
        await Read("memory of VM 2", _targets.Within(_targets.MemoryOf(neighbour)));
        await Read("the root table of the unit", _targets.RootTable());
        await ReadItsOwnMemory();
        await Schedule("a schedule in memory of VM 2", _targets.MemoryOf(neighbour));
        await Close();
    }

    private async ValueTask WriteItsOwnMemory()
    {
        MemoryBuffer buffer = guest.Memory.Allocate(StalePages * FrameAllocator.FrameSize);
        await Write("its buffer, by its address", new(buffer.Address.Value), buffer);
        await Write("its buffer, after unmap", await Stale(buffer), buffer);

        DmaMapping readable = await guest.Map(buffer, DmaDirection.ToDevice);
        await Write("its buffer, mapped read-only", readable.DeviceAddress, buffer);
        await guest.Unmap(readable);
        _ = guest.Memory.Free(buffer);
    }

    private async ValueTask ReadItsOwnMemory()
    {
        MemoryBuffer buffer = guest.Memory.Allocate(StalePages * FrameAllocator.FrameSize);
        await Read("its buffer, after unmap", await Stale(buffer));

        DmaMapping writable = await guest.Map(buffer, DmaDirection.FromDevice);
        await Read("its buffer, write-only", writable.DeviceAddress);
        await guest.Unmap(writable);
        _ = guest.Memory.Free(buffer);
    }

    /// <summary>A device address that led to a buffer until a moment ago.</summary>
    /// <remarks>One of the last pages: what is mapped next may be given the first ones again.</remarks>
    private async ValueTask<Iova> Stale(MemoryBuffer buffer)
    {
        DmaMapping mapping = await guest.Map(buffer, DmaDirection.Bidirectional);
        await guest.Unmap(mapping);
        return mapping.DeviceAddress + (StalePages - 1) * FrameAllocator.FrameSize;
    }

    private async ValueTask Write(string what, Iova address, MemoryBuffer? own = null)
    {
        Session session = await OpenSession();
        MassStorageDriver disk = session.Disk ?? await session.StartDisk();
        MemoryBuffer buffer = guest.Memory.Allocate(SectorBytes);
        await Attempt($"writes {what}", address, own, async () =>
        {
            guest.Memory.NextData = address;
            await disk.Read(0, buffer);
            return "dropped, the driver sees success";
        });
        _ = guest.Memory.Free(buffer);
    }

    private async ValueTask Read(string what, Iova address)
    {
        Session session = await OpenSession();
        await session.StopDisk();
        await Attempt($"reads {what}", address, own: null, async () =>
        {
            guest.Memory.NextCoherent = address;
            _ = await session.StartDisk();
            return "the device got a command from there";
        });
    }

    private async ValueTask Schedule(string what, Iova address)
    {
        await Close();
        await Attempt($"runs {what}", address, own: null, async () =>
        {
            guest.Memory.NextCoherent = address;
            _session = await Session.Open(guest);
            return "the controller works on it";
        });
    }

    /// <summary>Makes one attempt under watch, and writes down what came of it.</summary>
    private async ValueTask Attempt(string what, Iova address, MemoryBuffer? own, Func<Task<string>> attack)
    {
        ulong refusedBefore = host.Unit.Statistics.Faults;
        _watch.Begin(guest.Machine, own is null ? [] : FramesOf(own));
        (guest.Memory.VmmRuns, guest.Memory.GuestRuns) = (_watch.Pause, _watch.Resume);
        string outcome;
        try
        {
            outcome = await attack();
        }
        catch (DriverException failure)
        {
            outcome = failure.Failure == DriverFailure.HostSystemError ? "host system error" : failure.Message;
        }

        ulong changed = _watch.End();
        (guest.Memory.VmmRuns, guest.Memory.GuestRuns) = (static () => { }, static () => { });
        (guest.Memory.NextData, guest.Memory.NextCoherent) = (null, null);
        bool isBlocked = changed == 0 && host.Unit.Statistics.Faults != refusedBefore;
        ledger.Add(guest.Machine.Name, what, address.Value, outcome, isBlocked, changed);
        await guest.Processor.Delay(SettleNs);
        if (_session is { HasStopped: true })
            await Close();
    }

    private IEnumerable<PhysicalAddress> FramesOf(MemoryBuffer buffer)
    {
        for (ulong at = 0; at < (ulong)buffer.Length; at += FrameAllocator.FrameSize)
            yield return guest.Machine.Memory.Tables.Walk(buffer.Address + at, EptRights.Read).Address;
    }

    private async ValueTask<Session> OpenSession() => _session ??= await Session.Open(guest);

    private async ValueTask Close()
    {
        if (_session is { } session)
            await session.Close();
        _session = null;
    }
}
