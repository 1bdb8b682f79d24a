using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The VMM merges: it copies the structures of all VMs, and links the copies into one schedule.</summary>
internal sealed class ScheduleMerger : IMerger
{
    private readonly Host _host;
    private readonly CopyPool _pool;
    private readonly MergeOptions _options;
    private readonly MergedGuests<CopiedGuest> _guests = new(MergedUsbController.MachinesMax);
    private readonly MergeRounds _rounds;

    private ScheduleMerger(Host host, MergedEhci hardware, RemappingDomain domain, CopyPool pool, MergeOptions options)
    {
        (_host, Hardware, Domain, _pool, _options) = (host, hardware, domain, pool, options);
        Addresses = new(host.Loop, options, _guests.ByNumber);
        _rounds = new(host.Loop, hardware, _guests.All, pool, options);
        Async.Start();
        Picture = new(this, pool);
    }

    /// <inheritdoc/>
    public RemappingDomain Domain { get; }

    /// <inheritdoc/>
    public (uint Segment, uint FrameList, uint Ring) Lists => (0, _pool.Start, Async.Head);

    /// <inheritdoc/>
    /// <remarks>Each VM has a window of device addresses, which must fit below the width of the domain.</remarks>
    public int MachinesMax => (int)Math.Min(MergedUsbController.MachinesMax, (1ul << (Domain.AddressBits - GuestSpace.AddressBits)) - 1);

    /// <inheritdoc/>
    public MergedPicture Picture { get; }

    /// <summary>The real controller.</summary>
    public MergedEhci Hardware { get; }

    /// <summary>The VMs.</summary>
    public IReadOnlyList<CopiedGuest> Guests => _guests.All;

    /// <summary>Which devices have which addresses.</summary>
    public BusAddresses Addresses { get; }

    /// <summary>The asynchronous list of the controller.</summary>
    public AsyncMerge Async => _rounds.Async;

    /// <summary>The periodic list of the controller.</summary>
    public PeriodicMerge Periodic => _rounds.Periodic;

    /// <summary>Takes memory for the schedule.</summary>
    /// <returns><c>null</c> where there is none, or the remapping unit has too few address bits.</returns>
    public static async ValueTask<ScheduleMerger?> TryCreate(Host host, MergedEhci hardware, MergeOptions options)
    {
        RemappingDomain domain = host.Remapping.CreateDomain();
        CopyPool? pool = domain.AddressBits < GuestSpace.AddressBits + 4 ? null : await CopyPool.TryCreate(host, domain, 0, pages: 2, reservedPages: 1);
        if (pool is not null)
            return new(host, hardware, domain, pool, options);
        await host.Remapping.Release(domain);
        return null;
    }

    /// <inheritdoc/>
    public ulong DueNs() => _rounds.DueNs();

    /// <inheritdoc/>
    public void Work() => _rounds.Work();

    /// <inheritdoc/>
    public void StandStill() => _rounds.StandStill();

    /// <inheritdoc/>
    public int OwnerOf(byte real) => Addresses.OwnerOf(real);

    /// <inheritdoc/>
    public async ValueTask<(MergedGuest?, AssignmentResult)> TryAdd(
        MergedUsbController controller, VirtualMachine machine, SourceId guestAddress, int number, uint ports) =>
        _guests.Add(await CopiedGuest.TryCreate(controller, this, machine, guestAddress, number, ports));

    /// <inheritdoc/>
    public void Remove(MergedGuest guest) => _guests.Remove(guest);

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        await _pool.Close();
        await _host.Remapping.Release(Domain);
    }

    /// <summary>Bits 63:32 of the device address of the memory of a VM.</summary>
    public uint WindowOf(CopiedGuest guest) => _options.Skips(MergeSteps.Windows) ? _guests.All[0].Space.High : guest.Space.High;
}
