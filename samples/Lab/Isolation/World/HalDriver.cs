using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A driver that does what it should: it maps buffers by the DMA API, lets its device use them, and takes them back.</summary>
internal sealed class HalDriver : IHypercallGate
{
    private const int BuffersMax = 16;

    private readonly IsolationWorld _world;
    private readonly WorldGuest _guest;
    private readonly WorldDevice _device;
    private readonly FrameAllocator _frames;
    private readonly IDmaSpace _dma;
    private readonly List<(MemoryBuffer Buffer, DmaMapping Mapping)> _buffers = [];
    private bool _isClosed;
    private byte _round;

    /// <summary>A driver with nothing mapped.</summary>
    public HalDriver(IsolationWorld world, WorldGuest guest, VirtualMachine machine, WorldDevice device, HalCpu cpu, FrameAllocator frames)
    {
        (_world, _guest, Machine, _device, _frames) = (world, guest, machine, device, frames);
        _dma = GuestDma.Create(guest.Mapping, cpu, frames, this, device.GuestPlace);
    }

    /// <summary>The machine that it runs on.</summary>
    public VirtualMachine Machine { get; }

    /// <inheritdoc/>
    public async ValueTask<HypercallResult> Call(Hypercall number, ulong argument0 = 0, ulong argument1 = 0, ulong argument2 = 0, ulong argument3 = 0) =>
        _isClosed ? new(DmaRefusal.NotAssigned, 0) : await BookedCalls.Call(_world, _guest, number, argument0, argument1, argument2, argument3, isAlone: false);

    /// <summary>Its device is gone: what it does later comes to nothing.</summary>
    public void Close()
    {
        _isClosed = true;
        _device.User = null;
    }

    /// <summary>Maps a buffer and leaves it mapped.</summary>
    public async Task Map(int length, DmaDirection direction)
    {
        if (_buffers.Count < BuffersMax && await TryMap(length, direction) is { } mapped)
            _buffers.Add(mapped);
    }

    /// <summary>Takes a buffer back.</summary>
    public async Task Unmap(int index)
    {
        if (_buffers.Count == 0)
            return;
        (MemoryBuffer Buffer, DmaMapping Mapping) mapped = _buffers[index % _buffers.Count];
        _ = _buffers.Remove(mapped);
        await Return(mapped.Buffer, mapped.Mapping);
    }

    /// <summary>Moves bytes between a buffer and a probe, and looks at what arrives.</summary>
    public async Task Transfer(int length, bool isToDevice)
    {
        if (_device.Probe is not { } probe || await TryMap(length, isToDevice ? DmaDirection.ToDevice : DmaDirection.FromDevice) is not { } mapped)
            return;
        byte[] pattern = new byte[length];
        Array.Fill(pattern, (byte)(++_round | 0x80));
        bool isSame = isToDevice ? Give(probe, mapped.Buffer, mapped.Mapping, pattern) : Take(mapped.Buffer, mapped.Mapping, pattern);
        if (!isSame)
            _world.Violate("I1", $"device {_device.Name} and the driver of VM {_guest.Name} do not see the same bytes in a buffer that is mapped ({WorldProgramReader.WordOf(_guest.Policy)})");
        await Return(mapped.Buffer, mapped.Mapping);
    }

    // Between the first write and the last look nobody else acts: another device of the VM may reach the buffer, too.
    private bool Give(ProbeDevice probe, MemoryBuffer buffer, DmaMapping mapping, byte[] pattern)
    {
        buffer.Write(0, pattern);
        _ = _dma.SyncForDevice(mapping, 0, pattern.Length);
        DmaStatus status = _world.Send(_device, probe => probe.Read(null, mapping.DeviceAddress.Value, pattern.Length));
        return status != DmaStatus.Success || probe.Registers[..pattern.Length].SequenceEqual(pattern);
    }

    private bool Take(MemoryBuffer buffer, DmaMapping mapping, byte[] pattern)
    {
        DmaStatus status = _world.Send(_device, probe => probe.Write(null, mapping.DeviceAddress.Value, pattern));
        _ = _dma.SyncForCpu(mapping, 0, pattern.Length);
        byte[] found = new byte[pattern.Length];
        buffer.Read(0, found);
        return status != DmaStatus.Success || found.AsSpan().SequenceEqual(pattern);
    }

    private async ValueTask<(MemoryBuffer Buffer, DmaMapping Mapping)?> TryMap(int length, DmaDirection direction)
    {
        if (_frames.FramesFree == 0)
            return null;
        MemoryBuffer buffer = _dma.Allocate(length);
        DmaMapResult result = await _dma.Map(buffer, direction);
        if (result.IsMapped)
            return (buffer, result.Mapping);
        _ = _dma.Free(buffer);
        return null;
    }

    private async ValueTask Return(MemoryBuffer buffer, DmaMapping mapping)
    {
        _ = await _dma.Unmap(mapping);
        _ = _dma.Free(buffer);
    }
}
