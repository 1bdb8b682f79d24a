using System.Runtime.InteropServices;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A request that a test has rung for, until its completion was seen.</summary>
internal sealed record RungRequest(int Slot, ManagementRequest Fields, byte[] Input)
{
    public ManagementCommand Command => Fields.Command;

    public uint Tag => Fields.Tag;
}

/// <summary>A VM whose software is the test: it reaches its management device by registers and memory alone.</summary>
/// <remarks>Page 0 holds the slots; each slot has 256 bytes to be read and 256 to be written; all other bytes are a pattern that must stay.</remarks>
internal sealed class ManagementGuest
{
    public const int Slots = 16;
    public const int BufferBytes = 256;
    public const ulong MemoryBytes = 0x8000;
    public const byte Pattern = 0xC3;

    private const ulong Inputs = 0x2000;
    private const ulong Outputs = 0x4000;
    private const ulong OutputsEnd = Outputs + (Slots * BufferBytes);

    private readonly ulong _bar;
    private readonly List<RungRequest> _rung = [];
    private uint _lastTag;
    private uint _finishedBefore;

    public ManagementGuest(VirtualMachine machine, ManagementDevice device)
    {
        (Machine, Device) = (machine, device);
        byte[] pattern = new byte[MemoryBytes];
        Array.Fill(pattern, Pattern);
        Assert.True(machine.Cpu.TryWrite(new(0), pattern));
        machine.Pci.WriteConfiguration(device.Source, PciOffset.Command, 2, (uint)(PciCommand.MemorySpace | PciCommand.BusMaster));
        _bar = device.DecodedAt(0)!.Value;
        Begin();
    }

    public VirtualMachine Machine { get; }

    public ManagementDevice Device { get; }

    /// <summary>Requests whose completions were not seen yet, in the order of ringing.</summary>
    public IReadOnlyList<RungRequest> Rung => _rung;

    public uint Self => Read(ManagementOffsets.Self);

    public ManagementStatus Status => new(new(Read(ManagementOffsets.Status)));

    public static ulong InputOf(int slot) => Inputs + ((ulong)slot * BufferBytes);

    public static ulong OutputOf(int slot) => Outputs + ((ulong)slot * BufferBytes);

    public uint Read(int offset) => (uint)Machine.Cpu.Load(new(_bar + (ulong)offset), 4);

    public void Write(int offset, uint value) => Machine.Cpu.Store(new(_bar + (ulong)offset), 4, value);

    /// <summary>Resets the device as a driver does, and turns modes on.</summary>
    public void Begin(ManagementModes modes = ManagementModes.All)
    {
        Write(ManagementOffsets.Control, 1);
        _rung.Clear();
        _finishedBefore = 0;
        Write(ManagementOffsets.TableLow, 0);
        Write(ManagementOffsets.Mode, (uint)modes);
    }

    /// <summary>Whether a slot has nothing under way.</summary>
    public bool IsFree(int slot) => !_rung.Exists(request => request.Slot == slot);

    /// <summary>Writes a request with its input and rings; the output is filled with a mark first.</summary>
    public RungRequest Ring(int slot, ManagementRequest request, ReadOnlySpan<byte> input = default, int outputLength = 0)
    {
        Assert.True(IsFree(slot));
        byte[] mark = new byte[BufferBytes];
        Array.Fill(mark, (byte)0xEE);
        Assert.True(Machine.Cpu.TryWrite(new(OutputOf(slot)), mark));
        if (input.Length != 0)
            Assert.True(Machine.Cpu.TryWrite(new(InputOf(slot)), input));
        request = request with
        {
            Tag = ++_lastTag,
            Input = request.InputLength == 0 ? new(InputOf(slot)) : request.Input,
            InputLength = request.InputLength == 0 ? (uint)input.Length : request.InputLength,
            Output = request.OutputLength == 0 ? new(OutputOf(slot)) : request.Output,
            OutputLength = request.OutputLength == 0 ? (uint)outputLength : request.OutputLength,
        };
        Put(slot, request);
        RungRequest rung = new(slot, request, input.ToArray());
        _rung.Add(rung);
        Write(ManagementOffsets.Doorbell, 1u << slot);
        return rung;
    }

    /// <summary>Writes a slot and empties its completion.</summary>
    public void Put(int slot, ManagementRequest request)
    {
        Bits512 raw = request.Raw;
        ulong at = (ulong)slot * ManagementRequest.SlotBytes;
        Assert.True(Machine.Cpu.TryWrite(new(at), MemoryMarshal.AsBytes(new ReadOnlySpan<Bits512>(in raw))));
        Assert.True(Machine.Cpu.TryWrite(new(at + ManagementRequest.CompletionOffset), new byte[ManagementCompletion.Size]));
    }

    public ManagementCompletion CompletionOf(int slot)
    {
        Bits256 raw = default;
        ulong at = ((ulong)slot * ManagementRequest.SlotBytes) + ManagementRequest.CompletionOffset;
        Assert.True(Machine.Cpu.TryRead(new(at), MemoryMarshal.AsBytes(new Span<Bits256>(ref raw))));
        return new(raw);
    }

    /// <summary>What finished since the last time, in the order of ringing; each completion belongs to its request, and once.</summary>
    public IReadOnlyList<(RungRequest Request, ManagementCompletion Completion, byte[] Output)> Collect()
    {
        List<(RungRequest, ManagementCompletion, byte[])> done = [];
        foreach (RungRequest request in _rung.ToArray())
        {
            ManagementCompletion completion = CompletionOf(request.Slot);
            bool isBusy = (Device.Busy >> request.Slot & 1) != 0;
            Assert.Equal(isBusy, completion.Result == ManagementResult.None);
            if (isBusy)
                continue;
            Assert.Equal(request.Tag, completion.Tag);
            byte[] output = new byte[BufferBytes];
            Assert.True(Machine.Cpu.TryRead(new(OutputOf(request.Slot)), output));
            int written = completion.Result == ManagementResult.Done && request.Fields.OutputLength != 0 ? (int)completion.Length : 0;
            Assert.All(output[written..], value => Assert.Equal(0xEE, value));
            _rung.Remove(request);
            done.Add((request, completion, output[..written]));
        }

        // Each request that was rung finished once or is under way.
        Assert.Equal(_finishedBefore += (uint)done.Count, Read(ManagementOffsets.Finished));
        return done;
    }

    /// <summary>The one request that was rung, when it has finished.</summary>
    public (ManagementCompletion Completion, byte[] Output) Run(ManagementRequest request, ReadOnlySpan<byte> input = default, int outputLength = 0)
    {
        RungRequest rung = Ring(0, request, input, outputLength);
        Machine.Host.Loop.RunFor(1_000_000);
        (_, ManagementCompletion completion, byte[] output) = Assert.Single(Collect(), done => done.Request == rung);
        return (completion, output);
    }

    /// <summary>No byte changed but those of the slots and of what may be written.</summary>
    public void CheckMemory()
    {
        byte[] memory = new byte[MemoryBytes];
        Assert.True(Machine.Cpu.TryRead(new(0), memory));
        for (int at = Slots * ManagementRequest.SlotBytes; at < memory.Length; at++)
        {
            bool mayChange = (at >= (int)Inputs && at < (int)Inputs + (Slots * BufferBytes)) || (at >= (int)Outputs && at < (int)OutputsEnd);
            if (!mayChange && memory[at] != Pattern)
                Assert.Fail($"The byte at {at:X}h of {Machine} changed.");
        }
    }
}
