using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The processor of a VM: every access goes through EPT, and what EPT does not map leaves for the VMM.</summary>
/// <remarks>
/// Memory and register pages that EPT maps are reached without an exit; each other access is an exit, charged to the
/// guest, and goes to the VM's virtual bus. The page of its local APIC comes before all of that. Software on it can name any address; nothing here fails by exception but a
/// bug of the VMM itself.
/// </remarks>
public sealed class GuestCpu : ICpu, IHypercallGate
{
    private readonly VirtualMachine _machine;
    private readonly SystemBus _hostBus;
    private readonly EptTables _tables;
    private readonly List<ProcessSpace> _spaces = [];

    internal GuestCpu(VirtualMachine machine, SystemBus hostBus, Processor processor, InterruptGates gates)
    {
        (_machine, _hostBus, _tables, Processor, Gates) = (machine, hostBus, machine.Memory.Tables, processor, gates);
        ApicPage = new(gates.Apic, processor);

        // A handler ends its interrupt as all software does, at the price that this has.
        gates.EndBy(() => Store(new(LocalApic.Start + LocalApicOffsets.EndOfInterrupt), sizeof(uint), 0));
    }

    /// <inheritdoc/>
    public Processor Processor { get; }

    /// <inheritdoc/>
    public byte ApicId => Gates.Apic.Id;

    /// <summary>How it takes interrupts.</summary>
    public InterruptGates Gates { get; }

    internal VirtualApicPage ApicPage { get; }

    /// <inheritdoc/>
    public bool TryRead(GuestPhysicalAddress address, Span<byte> destination)
    {
        EptWalkResult found = Walk(address, EptRights.Read);
        if (found.Outcome == EptOutcome.Mapped && (ulong)destination.Length <= LeftInPage(found))
            return _hostBus.Memory.TryRead(found.Address, destination);
        if (!IsMemory(address, destination.Length, EptRights.Read))
            return false;
        for (int done = 0; done < destination.Length;)
        {
            found = Walk(address + (ulong)done, EptRights.Read);
            if (found.Outcome != EptOutcome.Mapped)
                return false;
            int step = (int)Math.Min((ulong)(destination.Length - done), LeftInPage(found));
            _ = _hostBus.Memory.TryRead(found.Address, destination.Slice(done, step));
            done += step;
        }

        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
    {
        EptWalkResult found = Walk(address, EptRights.Write, source.Length);
        if (found.Outcome == EptOutcome.Mapped && (ulong)source.Length <= LeftInPage(found))
            return _hostBus.Memory.TryWrite(found.Address, source);
        if (!IsMemory(address, source.Length, EptRights.Write))
            return false;
        for (int done = 0; done < source.Length;)
        {
            found = Walk(address + (ulong)done, EptRights.Write, done == 0 ? 0 : source.Length - done);
            if (found.Outcome != EptOutcome.Mapped)
                return false;
            int step = (int)Math.Min((ulong)(source.Length - done), LeftInPage(found));
            _ = _hostBus.Memory.TryWrite(found.Address, source.Slice(done, step));
            done += step;
        }

        return true;
    }

    /// <inheritdoc/>
    public ulong Load(GuestPhysicalAddress address, int width)
    {
        CheckWidth(width);
        if (VirtualApicPage.Contains(address.Value, width))
            return ApicPage.Load(address.Value, width);
        EptWalkResult found = Walk(address, EptRights.Read);
        if (found.Outcome == EptOutcome.Mapped && (ulong)width <= LeftInPage(found))
            return _hostBus.Load(found.Address, width);
        if (found.Outcome == EptOutcome.Mapped)
        {
            // Across the end of a page: the next one may lie elsewhere.
            Span<byte> bytes = stackalloc byte[8];
            return TryRead(address, bytes[..width])
                ? BitConverter.ToUInt64(bytes) & RegisterFile.AllOnes(width)
                : RegisterFile.AllOnes(width);
        }

        Processor.Charge(Cost.Exit);
        return _machine.Bus.Load(OnVirtualBus(address), width);
    }

    /// <inheritdoc/>
    public void Store(GuestPhysicalAddress address, int width, ulong value)
    {
        CheckWidth(width);
        if (VirtualApicPage.Contains(address.Value, width))
        {
            ApicPage.Store(address.Value, width, value);
            return;
        }

        EptWalkResult found = Walk(address, EptRights.Write, width);
        if (found.Outcome == EptOutcome.Mapped && (ulong)width <= LeftInPage(found))
        {
            _hostBus.Store(found.Address, width, value);
            return;
        }

        if (found.Outcome == EptOutcome.Mapped)
        {
            Span<byte> bytes = stackalloc byte[8];
            BitConverter.TryWriteBytes(bytes, value);
            _ = TryWrite(address, bytes[..width]);
            return;
        }

        Processor.Charge(Cost.Exit);
        _machine.Bus.Store(OnVirtualBus(address), width, value);
    }

    /// <inheritdoc/>
    public uint In(ushort port, int width)
    {
        Processor.Charge(Cost.Exit);
        return _machine.Bus.In(port, width);
    }

    /// <inheritdoc/>
    public void Out(ushort port, int width, uint value)
    {
        Processor.Charge(Cost.Exit);
        _machine.Bus.Out(port, width, value);
    }

    /// <inheritdoc/>
    public Signal Vector(byte vector) => Gates.Connect(vector);

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<HypercallResult> Call(
        Hypercall number, ulong argument0 = 0, ulong argument1 = 0, ulong argument2 = 0, ulong argument3 = 0)
    {
        _machine.Host.SharedProcessor?.Run(_machine);
        Processor.Charge(Cost.Exit);
        Processor.Charge(Cost.Hypercall);
        await Processor.Delay(0);
        return await _machine.Hypercalls.Call(number, argument0, argument1, argument2, argument3);
    }

    /// <summary>Makes a call in the middle of an access of a device model: it is counted, and takes no time of the bus that the model imitates.</summary>
    internal HypercallResult CallAtOnce(Hypercall number, ulong argument0, ulong argument1)
    {
        _machine.Host.SharedProcessor?.Run(_machine);
        Processor.Count(Cost.Exit);
        Processor.Count(Cost.Hypercall);
        ValueTask<HypercallResult> answer = _machine.Hypercalls.Call(number, argument0, argument1, 0, 0);
        return answer.IsCompleted ? answer.Result : throw new InvalidOperationException($"{number} is no call that is answered at once.");
    }

    /// <summary>A process on it has an address space: the processor caches translations of it.</summary>
    internal void Add(ProcessSpace space) => _spaces.Add(space);

    /// <summary>The process is gone.</summary>
    internal void Remove(ProcessSpace space) => _ = _spaces.Remove(space);

    /// <summary>Where an access of a process leads whose page table names an address; what EPT does not map leads nowhere.</summary>
    internal PhysicalAddress? Translate(GuestPhysicalAddress address, bool isWrite)
    {
        EptWalkResult found = _tables.Access(address, isWrite ? EptRights.Write : EptRights.Read);
        return found.Outcome == EptOutcome.Mapped ? found.Address : null;
    }

    /// <summary>The VMM has changed EPT, and makes the processor forget what it has cached of it (INVEPT).</summary>
    internal void FlushTranslations()
    {
        foreach (ProcessSpace space in _spaces)
            space.FlushAll();
    }

    private static void CheckWidth(int width)
    {
        if (width is not (1 or 2 or 4 or 8))
            throw new ArgumentOutOfRangeException(nameof(width), "Accesses have 1, 2, 4 or 8 bytes.");
    }

    // The virtual bus has no memory behind it, so that an address that was not translated reaches none.
    private static PhysicalAddress OnVirtualBus(GuestPhysicalAddress address) => new(address.Value);

    private static ulong LeftInPage(EptWalkResult found) => found.Size.Bytes - (found.Address.Value & (found.Size.Bytes - 1));

    // `stored`: bytes that are about to be stored there.
    private EptWalkResult Walk(GuestPhysicalAddress address, EptRights access, int stored = 0)
    {
        EptWalkResult found = _tables.Access(address, access);
        if (found.Outcome == EptOutcome.Violation && _machine.Memory.StoresInto(address) is { } pages && _tables.Walk(address, EptRights.Read).Outcome == EptOutcome.Mapped)
            return StoreByVmm(address, pages, stored);

        // Memory that has no frame yet, or no longer, or is protected: the VMM sees to it, and the access goes on.
        if (found.Outcome == EptOutcome.Violation && _machine.Memory.TryReach(address))
        {
            Processor.Charge(Cost.PageFault);
            found = _tables.Access(address, access);
        }

        return found.Outcome != EptOutcome.Misconfiguration
            ? found
            : throw new InvalidOperationException($"EPT of {_machine.Name} is misconfigured at {address}, level {found.Level}: {found.Entry}.");
    }

    // The page stays protected: the VMM does what the processor would have done, a store at a time, and knows of each.
    private EptWalkResult StoreByVmm(GuestPhysicalAddress address, StorePages pages, int stored)
    {
        int count = (stored + sizeof(ulong) - 1) / sizeof(ulong);
        if (count != 0)
        {
            Processor.Charge(Cost.PageFault, (ulong)count);
            pages.Stored(count);
        }

        return _tables.Access(address, EptRights.Read);
    }

    private bool IsMemory(GuestPhysicalAddress address, int length, EptRights access)
    {
        if (length == 0 || (ulong)length - 1 > ulong.MaxValue - address.Value)
            return false;
        for (ulong done = 0; done < (ulong)length;)
        {
            EptWalkResult found = Walk(address + done, access);
            if (found.Outcome != EptOutcome.Mapped)
                return false;
            ulong step = Math.Min((ulong)length - done, LeftInPage(found));
            if (!_hostBus.Memory.IsBacked(found.Address, step))
                return false;
            done += step;
        }

        return true;
    }
}
