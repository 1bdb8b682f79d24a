using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Software of a guest that writes all the time, and has its device write; it knows what its memory must hold.</summary>
/// <remarks>The processor writes the lower half of memory, the device the upper half, of which it has buffers of two pages.</remarks>
internal sealed class WritingGuest(VirtualMachine machine, DmaDevice here, DmaDevice there) : IGuestSoftware
{
    private const ulong BufferBytes = 8192;
    private const int Buffers = 8;

    private readonly byte[] _model = new byte[machine.Memory.Bytes];
    private readonly List<(ulong Device, ulong Guest)> _buffers = [];
    private readonly Gate _maps = new();
    private readonly Signal _stopped = new(machine.Host.Loop);
    private Random _random = new(1);
    private bool _isRunning;
    private bool _mustPause;

    public VirtualMachine Machine { get; private set; } = machine;

    /// <summary>How long it does nothing between two steps, in nanoseconds.</summary>
    public ulong RestNs { get; set; } = 20_000;

    /// <summary>Whether it keeps its devices when it is asked for them, and how long it thinks about it.</summary>
    public bool KeepsDevices { get; set; }

    /// <summary>How long it takes to answer, in nanoseconds.</summary>
    public ulong AnswerNs { get; set; }

    /// <summary>How often it was given a machine to go on with.</summary>
    public int Resumed { get; private set; }

    /// <summary>What is looked at when it goes on, before it does anything.</summary>
    public Action? AtResume { get; set; }

    private DmaDevice Device => Machine.Host.MachineHas(here) ? here : there;

    public void Start(int seed)
    {
        _random = new(seed);
        Machine.Host.Loop.Start(Work);
    }

    public async ValueTask<bool> ReleaseDevices()
    {
        await Machine.Cpu.Processor.Delay(AnswerNs);
        if (KeepsDevices)
            return false;

        // A driver that is still mapping buffers comes to its end first.
        await _maps.Enter();
        try
        {
            // The very last thing that the device does is to write.
            for (int buffer = 0; buffer < _buffers.Count; buffer++)
                DeviceWrite(buffer);
            while (_buffers.Count != 0)
            {
                (ulong device, _) = _buffers[^1];
                _buffers.RemoveAt(_buffers.Count - 1);
                Assert.Equal(DmaRefusal.None, (await Machine.Cpu.Call(Hypercall.UnmapDma, MigrationWorld.GuestPlace.Value, device, BufferBytes)).Refusal);
            }
        }
        finally
        {
            _maps.Leave();
        }

        return true;
    }

    public async ValueTask Pause()
    {
        await Machine.Cpu.Processor.Delay(AnswerNs);
        if (!_isRunning)
            return;
        _mustPause = true;
        _ = await _stopped.Wait();
    }

    public void Resume(VirtualMachine machine)
    {
        (Machine, _mustPause) = (machine, false);
        Resumed++;
        _buffers.Clear();
        AtResume?.Invoke();
        if (!_isRunning)
            Machine.Host.Loop.Start(Work);
    }

    /// <summary>Whether memory holds what was written.</summary>
    public bool IsIntact()
    {
        byte[] all = new byte[_model.Length];
        return Machine.Cpu.TryRead(new(0), all) && all.AsSpan().SequenceEqual(_model);
    }

    public async Task MapBuffers()
    {
        Machine.Pci.WriteConfiguration(MigrationWorld.GuestPlace, PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        await _maps.Enter();
        try
        {
            for (int buffer = 0; buffer < Buffers && !_mustPause; buffer++)
            {
                ulong guest = (ulong)(_model.Length / 2) + ((ulong)buffer * 3 * BufferBytes);
                HypercallResult result = await Machine.Cpu.Call(Hypercall.MapDma, MigrationWorld.GuestPlace.Value, guest, BufferBytes, (ulong)DmaDirection.FromDevice);
                if (result.Refusal == DmaRefusal.None)
                    _buffers.Add((result.Value, guest));
            }
        }
        finally
        {
            _maps.Leave();
        }
    }

    private async Task Work()
    {
        _isRunning = true;
        await MapBuffers();
        while (!_mustPause)
        {
            int at = _random.Next((_model.Length / 2) - 16);
            _random.NextBytes(_model.AsSpan(at, 16));
            Assert.True(Machine.Cpu.TryWrite(new((ulong)at), _model.AsSpan(at, 16)));
            if (_buffers.Count != 0)
                DeviceWrite(_random.Next(_buffers.Count));
            await Machine.Cpu.Processor.Delay(RestNs);
        }

        _isRunning = false;
        _stopped.Raise();
    }

    private void DeviceWrite(int buffer)
    {
        (ulong device, ulong guest) = _buffers[buffer];
        int offset = _random.Next((int)BufferBytes - 8);
        byte[] bytes = new byte[8];
        _random.NextBytes(bytes);

        // A device that was taken away by force does nothing any more.
        if (Device.Write(device + (ulong)offset, bytes) == DmaStatus.Success)
            bytes.CopyTo(_model, (int)guest + offset);
    }
}

internal static class HostDevices
{
    /// <summary>Whether a function is plugged into a host.</summary>
    public static bool MachineHas(this Host host, PciFunction function) => host.Pci.Root.Functions.Contains(function);
}
