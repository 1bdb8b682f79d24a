using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The USB stack of the host for one controller: the same drivers that guests have, on a processor and an address space of the host's own.</summary>
/// <remarks>What it is charged is kept apart from the VMM's: that is the work of a driver domain.</remarks>
internal sealed class HostUsbStack : IHostUsbController
{
    private const ulong PageBytes = 4096;
    private const ulong AddressBytes = 64 << 20;

    private readonly Host _host;
    private readonly SourceId _source;
    private readonly byte _vector;
    private readonly HostCpu _cpu;
    private readonly RemappingDomain _domain;
    private readonly IovaAllocator _addresses = new(new(MemoryLayout.LowMemoryEnd), AddressBytes);
    private readonly RemappedDmaSpace _memory;
    private readonly HashSet<Iova> _mapped = [];
    private readonly List<CoherentBuffer> _owned = [];
    private readonly Dictionary<int, Stack<HostUsbBuffer>> _spare = [];
    private RemappedMessages? _messages;

    /// <summary>A stack that does not run yet.</summary>
    /// <param name="host">The host, booted.</param>
    /// <param name="source">Where the controller is.</param>
    /// <param name="vector">The vector of the host's processor that its interrupt raises.</param>
    public HostUsbStack(Host host, SourceId source, byte vector = 0x50)
    {
        (_host, _source, _vector) = (host, source, vector);
        if (!host.Frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page2M, out PhysicalAddress first))
            throw new InvalidOperationException("The host has no 2 MiB left for a USB stack.");
        _cpu = new(new("host drivers", host.Loop, host.Options.Costs), host.Bus, host.Interrupts, host.Cpu.ApicId);
        _domain = host.Remapping.CreateDomain();
        _memory = new(_cpu, new(new(first.Value), FrameSize.Page2M.Bytes), _domain, _addresses);
    }

    /// <inheritdoc/>
    public Processor Processor => _cpu.Processor;

    /// <summary>The controller.</summary>
    public IUsbHostController Controller { get => field ?? throw new InvalidOperationException("The stack does not run."); private set; }

    /// <summary>Memory for drivers of the host.</summary>
    public IDmaSpace Memory => _memory;

    /// <summary>Takes the controller.</summary>
    /// <exception cref="DriverException">It does not start.</exception>
    public async ValueTask Start()
    {
        DmaRefusal refusal = await _host.Remapping.Attach(_source, _domain);
        if (refusal != DmaRefusal.None)
            throw new DeviceException($"The controller at {_source} gets no address space: {refusal}.");
        MessageInterrupt vector = MessageInterrupt.To(_cpu.ApicId, _vector);
        if (_host.Remapping.Interrupts is { } interrupts)
            _messages = await interrupts.TryAllocate(_source, [vector]) ?? throw new DeviceException($"No interrupt is left for {_source}.");
        Controller = await UsbHostControllers.Start(PciDevice.Open(_cpu, _host.Configuration, _source, _memory, _vector, _messages?.Message));
    }

    /// <inheritdoc/>
    public async ValueTask<HostUsbBuffer?> TryAllocate(int length)
    {
        // Kept mapped for the next one of its size: a bounce buffer that is mapped each time would cost more than the copy.
        int bytes = (int)(((ulong)length + PageBytes - 1) / PageBytes * PageBytes);
        if (_spare.GetValueOrDefault(bytes)?.TryPop(out HostUsbBuffer? spare) == true)
            return spare with { Length = length };
        try
        {
            CoherentBuffer memory = await _memory.AllocateCoherent(bytes);
            _owned.Add(memory);
            return new(memory.Mapping.DeviceAddress, length, memory.Memory);
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<HostUsbBuffer?> TryMap(IReadOnlyList<PhysicalAddress> frames, int offset, int length, DmaDirection direction)
    {
        ulong pages = (ulong)frames.Count;
        if (!_addresses.TryAllocate(pages, PageBytes, out Iova first))
            return null;
        for (int done = 0; done < frames.Count;)
        {
            // Frames that lie side by side go by one call.
            int run = 1;
            while (done + run < frames.Count && frames[done + run].Value == frames[done].Value + ((ulong)run * PageBytes))
                run++;
            DmaRefusal refusal = await _domain.Map(first + ((ulong)done * PageBytes), new(frames[done].Value), (ulong)run * PageBytes, direction);
            if (refusal == DmaRefusal.None)
            {
                done += run;
                continue;
            }

            if (done != 0)
                _ = await _domain.Unmap(first, (ulong)done * PageBytes);
            _addresses.Free(first, pages);
            return null;
        }

        _ = _mapped.Add(first);
        return new(first + (ulong)offset, length, Memory: null);
    }

    /// <inheritdoc/>
    public async ValueTask Release(HostUsbBuffer buffer)
    {
        if (buffer.Memory is { } memory)
        {
            if (!_spare.TryGetValue(memory.Length, out Stack<HostUsbBuffer>? spare))
                _spare.Add(memory.Length, spare = new());
            spare.Push(buffer);
            return;
        }

        ulong start = buffer.DeviceAddress.Value & ~(PageBytes - 1);
        if (!_mapped.Remove(new(start)))
            throw new InvalidOperationException("The buffer is none of this controller's.");
        ulong end = (buffer.DeviceAddress.Value + (ulong)buffer.Length + PageBytes - 1) & ~(PageBytes - 1);
        DmaRefusal refusal = await _domain.Unmap(new(start), end - start);
        if (refusal != DmaRefusal.None)
            throw new InvalidOperationException($"What was mapped at {buffer.DeviceAddress} cannot be unmapped: {refusal}.");
        _addresses.Free(new(start), (end - start) / PageBytes);
    }

    /// <summary>Lets the controller go; no device of it may be in use.</summary>
    public async ValueTask Stop()
    {
        await Controller.Stop();
        foreach (CoherentBuffer memory in _owned)
            _ = await _memory.FreeCoherent(memory);
        _owned.Clear();
        _spare.Clear();
        await _host.Remapping.Detach(_source);
        if (_messages is { } messages)
            await messages.Free();
        await _host.Remapping.Release(_domain);
    }
}
