using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A VM that owns a USB controller and serves the front ends of others, or models controllers for them, as the VMM sees it: who may reach what of whom.</summary>
/// <remarks>
/// <code>
/// guest                VMM                      service VM
/// front end -- ring or call, grants ----------> back end --> native driver --> controller
///           -- notification --> event ------->                                    |
///  page of the guest &lt;-- mapped from request to response -- its domain &lt;---------+
/// </code>
/// The VMM only carries notifications and maps or copies what was granted. All else is software of the service VM, which
/// reaches its own memory and these pages, and its controller no more than that. Guests without a front end it can model controllers for; then it is
/// shown pages of theirs (<see cref="ServiceWindow"/>).
/// </remarks>
public sealed class ServiceVm : IGuestService
{
    /// <summary>How many front ends it can serve.</summary>
    public const int FrontEndsMax = 8;

    /// <summary>Of how many VMs it can model devices.</summary>
    public const int WindowsMax = 8;

    private const int VectorMin = 32;
    private const int VectorMax = byte.MaxValue - FrontEndsMax;

    // Addresses of the service VM where it has no memory, no device and no chosen device address.
    private const ulong WindowStart = DmaMappings.WindowStart + DmaMappings.WindowLength;
    private const ulong WindowBytes = 256 << 20;

    private readonly FrontEndLink?[] _links = new FrontEndLink?[FrontEndsMax];
    private readonly FrameAllocator _window = new(new(WindowStart), WindowBytes);
    private readonly Stack<UrbSegment[]> _spareLists = new();
    private readonly Random _chance;
    private int _vector;

    /// <summary>Makes a VM a service VM, which serves nobody yet.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="options">What is done for it.</param>
    /// <exception cref="InvalidOperationException">It is one, or has a front end of its own.</exception>
    public ServiceVm(VirtualMachine machine, ServiceVmOptions? options = null)
    {
        if (machine.Service is not null || machine.UsbServer is not null || !machine.IsRunning)
            throw new InvalidOperationException($"{machine.Name} has ended, is a service VM or is served by one.");
        (Machine, Options) = (machine, options ?? new());
        Windows = new(this);
        _chance = machine.Host.RandomFor($"when {machine.Name} runs");
        machine.Service = this;
        machine.Services.Add(this);
        if (Options.SharesProcessor)
            machine.Host.SharedProcessor ??= new();
    }

    /// <summary>The VM.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>What is done for it.</summary>
    public ServiceVmOptions Options { get; }

    /// <summary>The VMs that it serves, connected or not.</summary>
    public IEnumerable<VirtualMachine> Served => _links.OfType<FrontEndLink>().Select(link => link.Guest);

    /// <summary>What was done for it so far.</summary>
    public ServiceCounts Counts { get; internal set; }

    /// <summary>The memory of others that it is shown.</summary>
    internal ServiceWindows Windows { get; }

    /// <summary>Whether its software is ready to serve.</summary>
    internal bool IsReady => _vector != 0;

    /// <summary>How many pages of a VM are mapped into it or for its devices now, those of the rings included.</summary>
    public int PagesMappedOf(VirtualMachine guest) => Find(guest)?.PagesMapped ?? 0;

    /// <summary>Whether a VM whose requests are calls broke the rules of its ring: nothing is taken from it any more until it connects anew.</summary>
    public bool IsBroken(VirtualMachine guest) => Find(guest)?.IsBroken ?? false;

    /// <summary>Lets it serve a VM.</summary>
    /// <param name="guest">The VM, which has no back end.</param>
    /// <returns>The number by which it knows the front end.</returns>
    /// <exception cref="InvalidOperationException">The VM has a back end or is this one, or no number is free.</exception>
    public int Serve(VirtualMachine guest)
    {
        int number = Array.IndexOf(_links, null);
        if (guest == Machine || guest.Service is not null || guest.UsbServer is not null || !guest.IsRunning || !Machine.IsRunning || number < 0)
            throw new InvalidOperationException($"{Machine.Name} cannot serve {guest.Name}.");
        _links[number] = new(this, guest, number);
        return number;
    }

    /// <summary>Lets it model devices of a VM: it is shown memory of that VM, page by page, as it asks for it.</summary>
    /// <param name="guest">The VM.</param>
    /// <returns>The number by which it knows the VM.</returns>
    /// <exception cref="InvalidOperationException">The VM is this one or has a remapping unit, one of them has ended, or no number is free.</exception>
    public int Model(VirtualMachine guest) =>
        guest != Machine && guest.IsRunning && Machine.IsRunning && guest.Iommu is null && Windows.TryOpen(guest) is { } number
            ? number
            : throw new InvalidOperationException($"{Machine.Name} cannot model devices of {guest.Name}.");

    /// <summary>How many pages of a VM it is shown now, and how many its devices reach.</summary>
    public (int Shown, int Mapped) WindowOf(VirtualMachine guest) => Windows.Find(guest) is { } window ? (window.PagesShown, window.PagesMapped) : (0, 0);

    /// <inheritdoc/>
    async ValueTask IGuestService.Close()
    {
        await Windows.Close();
        foreach (FrontEndLink link in _links.OfType<FrontEndLink>().ToArray())
            await link.Drop();
        Machine.Service = null;
    }

    /// <summary>Answers a hypercall of the service VM.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    internal async ValueTask<HypercallResult> Call(Hypercall number, ulong argument0, ulong argument1, ulong argument2, ulong argument3)
    {
        int who = (int)(argument0 & byte.MaxValue);
        ulong how = argument0 >> 8;
        FrontEndLink? link = who < FrontEndsMax ? _links[who] : null;
        switch (number)
        {
            case Hypercall.ServeUsb when (argument1 | argument2 | argument3) == 0:
                return Serve(argument0);
            case Hypercall.NextUsbChange when (argument0 | argument1 | argument2 | argument3) == 0:
                return NextChange();
            case Hypercall.AcceptUsb when how == 0 && argument3 == 0:
                return link is null ? Refuse(DmaRefusal.NotMapped) : await link.Accept(argument1, new(argument2));
            case Hypercall.ReleaseUsb when how == 0 && (argument1 | argument2 | argument3) == 0:
                return Refuse(link is null ? DmaRefusal.NotMapped : await link.Release());
            case Hypercall.NotifyFrontEnd when how == 0 && (argument1 | argument2 | argument3) == 0:
                return Refuse(link?.NotifyFrontEnd() ?? DmaRefusal.NotMapped);
            case Hypercall.UnmapGrants when how == 0 && (argument2 | argument3) == 0:
                return Refuse(link?.Maps is { } maps ? await maps.Unmap(new(argument1)) : DmaRefusal.NotMapped);
            case Hypercall.MapGrants when how <= byte.MaxValue && argument3 == 0:
                return await Map(link, (GrantMapFlags)how, argument1, argument2);
            case Hypercall.CopyGrants when how <= 1:
                return Refuse(Copy(link, how == 1, (argument1, argument2), new(argument3)));
            default:
                return Refuse(DmaRefusal.Denied);
        }
    }

    /// <summary>Gives it the processor, now or a little later.</summary>
    /// <param name="offset">Which of its vectors: 0 for news, from 1 on for front ends.</param>
    internal void Wake(int offset)
    {
        ulong delayNs = NextJitterNs();
        MessageInterrupt interrupt = MessageInterrupt.To(Machine.Cpu.ApicId, (byte)(_vector + offset));
        if (delayNs == 0)
            Machine.Interrupt(interrupt);
        else
            _ = Machine.Host.Loop.Schedule(delayNs, () => WakeLate(interrupt));
    }

    /// <summary>How much later than it shall it runs this time, in nanoseconds.</summary>
    internal ulong NextJitterNs() => Options.JitterNsMax == 0 ? 0 : (ulong)_chance.NextInt64((long)Options.JitterNsMax + 1);

    /// <summary>Serves a VM no more; nothing of it is mapped.</summary>
    internal void Remove(FrontEndLink link) => _links[link.Number] = null;

    /// <summary>Addresses for pages of others.</summary>
    internal FrameAllocator Window => _window;

    private static HypercallResult Refuse(DmaRefusal refusal) => new(refusal, 0);

    private void WakeLate(MessageInterrupt interrupt)
    {
        if (Machine.IsRunning)
            Machine.Interrupt(interrupt);
    }

    private FrontEndLink? Find(VirtualMachine guest)
    {
        foreach (FrontEndLink? link in _links)
        {
            if (link?.Guest == guest)
                return link;
        }

        return null;
    }

    private HypercallResult Serve(ulong vector)
    {
        if (vector is < VectorMin or > VectorMax)
            return Refuse(DmaRefusal.BadRange);
        _vector = (int)vector;
        return new(DmaRefusal.None, FrontEndsMax);
    }

    private HypercallResult NextChange()
    {
        foreach (FrontEndLink? link in _links)
        {
            if (link?.TakeChange() is { } change)
                return new(DmaRefusal.None, (uint)link.Number | (change << 8) | (Options.Transport == ServiceTransport.Call ? 1ul << 16 : 0));
        }

        return Refuse(DmaRefusal.NotMapped);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<HypercallResult> Map(FrontEndLink? link, GrantMapFlags flags, ulong list, ulong count)
    {
        if ((flags & (GrantMapFlags.Device | GrantMapFlags.Host)) == 0 || (flags & ~(GrantMapFlags.Device | GrantMapFlags.Host | GrantMapFlags.ReadOnly)) != 0)
            return Refuse(DmaRefusal.BadDirection);
        if (ReadList(list, count) is not { } segments)
            return Refuse(DmaRefusal.BadRange);
        HypercallResult result = link?.Maps is { } maps ? await maps.Map(segments.AsMemory(0, (int)count), flags) : Refuse(DmaRefusal.NotMapped);
        _spareLists.Push(segments);
        if (result.Refusal == DmaRefusal.None)
            Counts = Counts with { Maps = Counts.Maps + 1, PagesMapped = Counts.PagesMapped + count };
        return result;
    }

    private DmaRefusal Copy(FrontEndLink? link, bool isWritten, (ulong Start, ulong Count) list, GuestPhysicalAddress own)
    {
        if (ReadList(list.Start, list.Count) is not { } segments)
            return DmaRefusal.BadRange;
        int bytes = 0;
        DmaRefusal refusal = link?.Maps?.Copy(segments.AsSpan(0, (int)list.Count), isWritten, own, out bytes) ?? DmaRefusal.NotMapped;
        _spareLists.Push(segments);
        if (refusal == DmaRefusal.None)
            Counts = Counts with { Copies = Counts.Copies + 1, BytesCopied = Counts.BytesCopied + (ulong)bytes };
        return refusal;
    }

    // A copy of it: the service VM changes it no more.
    private UrbSegment[]? ReadList(ulong start, ulong count)
    {
        if (count is 0 or > UrbRequest.SegmentsMax)
            return null;
        UrbSegment[] segments = _spareLists.TryPop(out UrbSegment[]? spare) ? spare : new UrbSegment[UrbRequest.SegmentsMax];
        if (Machine.Cpu.TryRead(new(start), System.Runtime.InteropServices.MemoryMarshal.AsBytes(segments.AsSpan(0, (int)count))))
            return segments;
        _spareLists.Push(segments);
        return null;
    }
}
