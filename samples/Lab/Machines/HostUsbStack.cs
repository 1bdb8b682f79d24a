using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The USB stack of the host for one controller: the same drivers that guests have, on a processor and an address space of the host's own.</summary>
/// <remarks>
/// The host's own HAL: a domain of its own in the remapping unit, in which each buffer is mapped while the controller needs
/// it. What it is charged is kept apart from the VMM's: that is the work of a driver domain.
/// </remarks>
public sealed class HostUsbStack : UsbStack, IHostUsbController
{
    private const ulong PageBytes = 4096;
    private const ulong AddressBytes = 256 << 20;

    private readonly Host _host;
    private readonly SourceId _source;
    private readonly byte _vector;
    private readonly HostCpu _cpu;
    private readonly GuestPhysicalAddress _firstFrame;
    private readonly HashSet<Iova> _mapped = [];
    private RemappingDomain? _domain;
    private RemappedMessages? _messages;
    private IovaAllocator? _addresses;
    private PciDevice? _device;

    /// <summary>A stack that does not have the controller yet: <see cref="Start"/> takes it.</summary>
    /// <param name="host">The host, booted.</param>
    /// <param name="source">Where the controller is; no firmware uses it with memory of its own.</param>
    /// <param name="vector">The vector of the host's processor that its interrupt raises.</param>
    /// <exception cref="InvalidOperationException">The host has no memory left for it.</exception>
    public HostUsbStack(Host host, SourceId source, byte vector = 0x50)
    {
        (_host, _source, _vector) = (host, source, vector);
        if (!host.Frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page2M, out PhysicalAddress first))
            throw new InvalidOperationException("The host has no 2 MiB left for a USB stack.");
        _firstFrame = new(first.Value);
        _cpu = new(new("host drivers", host.Loop, host.Options.Costs), host.Bus, host.Interrupts, host.Cpu.ApicId);
    }

    /// <inheritdoc/>
    public override Processor Processor => _cpu.Processor;

    /// <summary>Takes the controller. A stop that broke off in the middle left drivers in a state that nobody knows: they begin anew.</summary>
    /// <exception cref="DriverException">It does not start.</exception>
    /// <exception cref="DeviceException">It gets no address space or no interrupt, or is not there.</exception>
    public async ValueTask Start()
    {
        await Abandon();
        _domain = _host.Remapping.CreateDomain();
        DmaRefusal refusal = await _host.Remapping.Attach(_source, _domain);
        if (refusal != DmaRefusal.None)
            throw new DeviceException($"The controller at {_source} gets no address space: {refusal}.");
        MessageInterrupt vector = MessageInterrupt.To(_cpu.ApicId, _vector);
        if (_host.Remapping.Interrupts is { } interrupts)
            _messages = await interrupts.TryAllocate(_source, [vector]) ?? throw new DeviceException($"No interrupt is left for {_source}.");

        // Device addresses from where no memory is, so that one that was not translated is found out.
        _addresses = new(new(MemoryLayout.LowMemoryEnd), AddressBytes);
        RemappedDmaSpace memory = new(_cpu, new(_firstFrame, FrameSize.Page2M.Bytes), _domain, _addresses);
        _device = PciDevice.Open(_cpu, _host.Configuration, _source, memory, _vector, _messages?.Message);
        await Drive(_device);
    }

    /// <summary>Lets the controller go, as far as it was taken; no device of it is in use.</summary>
    public async ValueTask Stop()
    {
        if (HasController)
            await Controller.Stop();
        await Abandon();
    }

    /// <inheritdoc/>
    public async ValueTask<HostUsbBuffer?> TryMap(IReadOnlyList<PhysicalAddress> frames, int offset, int length, DmaDirection direction)
    {
        ulong pages = (ulong)frames.Count;
        if (_domain is not { } domain || _addresses is not { } addresses || !addresses.TryAllocate(pages, PageBytes, out Iova first))
            return null;
        for (int done = 0; done < frames.Count;)
        {
            // Frames that lie side by side go by one call.
            int run = 1;
            while (done + run < frames.Count && frames[done + run].Value == frames[done].Value + ((ulong)run * PageBytes))
                run++;
            DmaRefusal refusal = await domain.Map(first + ((ulong)done * PageBytes), new(frames[done].Value), (ulong)run * PageBytes, direction);
            if (refusal == DmaRefusal.None)
            {
                done += run;
                continue;
            }

            if (done != 0)
                _ = await domain.Unmap(first, (ulong)done * PageBytes);
            addresses.Free(first, pages);
            return null;
        }

        _ = _mapped.Add(first);
        return new(first + (ulong)offset, length, Memory: null);
    }

    /// <inheritdoc/>
    public override async ValueTask Release(HostUsbBuffer buffer)
    {
        if (buffer.Memory is not null)
        {
            await base.Release(buffer);
            return;
        }

        ulong start = buffer.DeviceAddress.Value & ~(PageBytes - 1);
        if (!_mapped.Remove(new(start)) || _domain is not { } domain || _addresses is not { } addresses)
            throw new InvalidOperationException("The buffer is none of this controller's.");
        ulong end = (buffer.DeviceAddress.Value + (ulong)buffer.Length + PageBytes - 1) & ~(PageBytes - 1);
        DmaRefusal refusal = await domain.Unmap(new(start), end - start);
        if (refusal != DmaRefusal.None)
            throw new InvalidOperationException($"What was mapped at {buffer.DeviceAddress} cannot be unmapped: {refusal}.");
        addresses.Free(new(start), (end - start) / PageBytes);
    }

    // The device reaches nothing any more, so that what its drivers had is free, whatever became of them.
    private async ValueTask Abandon()
    {
        Forget();
        _device?.Close();
        _device = null;
        if (_messages is { } messages)
            await messages.Free();
        _messages = null;
        if (_domain is { } domain)
        {
            if (domain.Attached != 0)
                await _host.Remapping.Detach(_source);
            await _host.Remapping.Release(domain);
        }

        (_domain, _addresses) = (null, null);
        _mapped.Clear();
    }
}
