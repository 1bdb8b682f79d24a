using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A driver of the host for a USB controller with a disk: it uses the disk until a VM shall have the controller, and again afterwards.</summary>
/// <remarks>
/// It is the same stack of drivers that guests have, on the host's own HAL: a domain of its own in the remapping unit, in
/// which each buffer is mapped while the controller needs it.
/// </remarks>
public sealed class HostUsbDriver : IHostDriver
{
    private const int DiskPort = 1;
    private const ulong AddressBytes = 256 << 20;

    private readonly Host _host;
    private readonly SourceId _source;
    private readonly byte _vector;
    private readonly GuestPhysicalAddress _firstFrame;
    private RemappingDomain? _domain;
    private RemappedMessages? _messages;
    private RemappedDmaSpace? _memory;
    private PciDevice? _device;
    private IUsbHostController? _controller;
    private UsbDeviceHandle? _usb;
    private MassStorageDriver? _disk;
    private int _users;

    /// <summary>A driver that has the controller not yet: <see cref="Take"/> starts it.</summary>
    /// <param name="host">The host, booted.</param>
    /// <param name="source">Where the controller is; no firmware uses it with memory of its own.</param>
    /// <param name="vector">The vector of the host's processor that its interrupt raises.</param>
    /// <exception cref="InvalidOperationException">The host has no memory left for it.</exception>
    public HostUsbDriver(Host host, SourceId source, byte vector = 0x50)
    {
        (_host, _source, _vector) = (host, source, vector);
        if (!host.Frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page2M, out PhysicalAddress first))
            throw new InvalidOperationException("The host has no 2 MiB left for a driver.");
        _firstFrame = new(first.Value);
    }

    /// <summary>Whether it has the disk.</summary>
    public bool IsUp => _disk is not null;

    /// <summary>How many blocks the disk has.</summary>
    public ulong BlockCount => _disk?.BlockCount ?? 0;

    /// <summary>Reads blocks of the disk; while it does, it does not let the controller go.</summary>
    /// <param name="firstBlock">The first block.</param>
    /// <param name="destination">Where they go, whole blocks.</param>
    /// <exception cref="DriverException">It does not have the disk, or the disk does not answer.</exception>
    public async ValueTask Read(ulong firstBlock, Memory<byte> destination)
    {
        if (_disk is not { } disk || _memory is not { } memory)
            throw new DriverException(DriverFailure.NoDriver, "The host does not have the disk.");
        _users++;
        MemoryBuffer buffer = memory.Allocate(destination.Length);
        try
        {
            await disk.Read(firstBlock, buffer);
            buffer.Read(0, destination.Span);
        }
        finally
        {
            _ = memory.Free(buffer);
            _users--;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> Release()
    {
        if (_users != 0)
            return false;
        await Stop();
        return true;
    }

    /// <inheritdoc/>
    public async ValueTask<bool> Take()
    {
        try
        {
            // A release that broke off in the middle left the drivers in a state that nobody knows: they begin anew.
            await Abandon();
            await Start();
            return true;
        }
        catch (Exception exception) when (exception is DriverException or DeviceException)
        {
            await Stop();
            return false;
        }
    }

    private async ValueTask Start()
    {
        _domain = _host.Remapping.CreateDomain();
        DmaRefusal refusal = await _host.Remapping.Attach(_source, _domain);
        if (refusal != DmaRefusal.None)
            throw new DeviceException($"The controller at {_source} gets no address space: {refusal}.");
        MessageInterrupt vector = MessageInterrupt.To(_host.Cpu.ApicId, _vector);
        if (_host.Remapping.Interrupts is { } interrupts)
            _messages = await interrupts.TryAllocate(_source, [vector]) ?? throw new DeviceException($"No interrupt is left for {_source}.");

        // Device addresses from where no memory is, so that one that was not translated is found out.
        _memory = new(_host.Cpu, new(_firstFrame, FrameSize.Page2M.Bytes), _domain, new(new(MemoryLayout.LowMemoryEnd), AddressBytes));
        _device = PciDevice.Open(_host.Cpu, _host.Configuration, _source, _memory, _vector, _messages?.Message);
        _controller = await UsbHostControllers.Start(_device);
        _usb = await UsbDeviceHandle.Enumerate(_controller, DiskPort);
        _disk = await MassStorageDriver.Start(_usb);
    }

    // From the top down, as far as it came.
    private async ValueTask Stop()
    {
        if (_disk is { } disk)
            await disk.Stop();
        if (_usb is { } usb)
            await usb.Release();
        if (_controller is { } controller)
            await controller.Stop();
        await Abandon();
    }

    // The device reaches nothing any more, so that what its drivers had is free, whatever became of them.
    private async ValueTask Abandon()
    {
        (_disk, _usb, _controller) = (null, null, null);
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

        (_domain, _memory) = (null, null);
    }
}
