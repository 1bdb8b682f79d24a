using Dma.Machine;

namespace Dma.Lab;

/// <summary>Makes steps of the objects of a file, and refuses what no machine could be told to do.</summary>
/// <param name="devices">The devices of the case.</param>
/// <param name="memoryBytes">Bytes of memory from address 0 on.</param>
internal sealed class StepReader(IReadOnlyDictionary<string, RecordedDevice> devices, ulong memoryBytes)
{
    /// <summary>The most bytes that a step moves: the buffer of the device that moves them.</summary>
    private const int TransferMax = 4096;

    // Memory is written in pieces of a table or two; a whole image is no step.
    private const int MemoryMax = 1 << 20;

    // No unit has registers further up: offsets in capability registers end before.
    private const ulong WindowBytes = 1 << 16;

    private int _number;

    /// <summary>The next step of the case.</summary>
    /// <exception cref="CaseFileException">It is none.</exception>
    public RecordedStep Read(CaseFields json)
    {
        string operation = json.Text("op");
        int number = _number++;
        return operation switch
        {
            "note" => new() { Number = number, Kind = StepKind.Note },
            "mem_write" => MemoryWrite(json, number),
            "mem_read" => MemoryRead(json, number),
            "reg_write" => Register(json, number, StepKind.RegisterWrite) with { Value = Fitting(json, "value") },
            "reg_read" => Register(json, number, StepKind.RegisterRead) with { ExpectedValue = Fitting(json, "expect") },
            "dma_read" => DmaRead(json, number),
            "dma_write" => DmaWrite(json, number),
            "msi" => Device(json, number, StepKind.Message) with { Value = json.Number("data", uint.MaxValue) },
            "irq_check" => new() { Number = number, Kind = StepKind.InterruptCheck, ExpectedInterrupts = Interrupts(json.Each("expect", ", interrupt")) },
            _ => throw new CaseFileException($"{json.Place}: '{operation}' is no operation of the format."),
        };
    }

    private RecordedStep MemoryWrite(CaseFields json, int number)
    {
        byte[] bytes = Short(json, "bytes", MemoryMax);
        return new() { Number = number, Kind = StepKind.MemoryWrite, Address = Place(json, bytes.Length), Bytes = bytes };
    }

    private RecordedStep MemoryRead(CaseFields json, int number)
    {
        int length = json.Count("len", 1, MemoryMax);
        byte[] expected = json.Bytes("expect");
        if (expected.Length != length)
            throw new CaseFileException($"{json.Place}: 'expect' has {expected.Length} bytes where 'len' says {length}.");
        return new() { Number = number, Kind = StepKind.MemoryRead, Address = Place(json, length), Length = length, ExpectedBytes = expected };
    }

    private ulong Place(CaseFields json, int length)
    {
        ulong address = json.Number("addr");
        return address <= memoryBytes && (ulong)length <= memoryBytes - address
            ? address
            : throw new CaseFileException($"{json.Place}: the processor reaches {memoryBytes:X}h bytes of memory, not {length} bytes at {address:X}h.");
    }

    private static RecordedStep Register(CaseFields json, int number, StepKind kind)
    {
        int size = json.Count("size", 4, 8);
        int offset = (int)json.Number("off", WindowBytes - 4);
        if (size is not (4 or 8) || offset % size != 0)
            throw new CaseFileException($"{json.Place}: registers are reached by aligned accesses of 4 or 8 bytes, not {size} at {offset:X}h.");
        return new() { Number = number, Kind = kind, Register = json.Text("reg"), Offset = offset, Size = size };
    }

    private RecordedStep Device(CaseFields json, int number, StepKind kind)
    {
        string name = json.Text("dev");
        SourceId source = new((ushort)json.Number("sid", ushort.MaxValue));
        if (!devices.TryGetValue(name, out RecordedDevice? device) || device.Source != source)
            throw new CaseFileException($"{json.Place}: the case has no device '{name}' at {source}.");
        return new()
        {
            Number = number,
            Kind = kind,
            Device = name,
            Source = source,
            Address = json.Number("addr"),
            ExpectedOutcome = Outcome(json.Object("expect"), kind, json.Number("addr")),
        };
    }

    private RecordedStep DmaRead(CaseFields json, int number)
    {
        int length = json.Count("len", 1, TransferMax);
        RecordedStep step = Device(json, number, StepKind.DmaRead) with { Length = length };
        int got = step.ExpectedOutcome!.Data.Length;
        return got == length ? step : throw new CaseFileException($"{json.Place}: the device got {got} bytes where 'len' says {length}.");
    }

    private RecordedStep DmaWrite(CaseFields json, int number)
    {
        RecordedStep step = Device(json, number, StepKind.DmaWrite) with { Bytes = Short(json, "bytes", TransferMax) };
        return step.ExpectedOutcome!.Landed.Sum(piece => piece.Length) <= step.Bytes.Length
            ? step
            : throw new CaseFileException($"{json.Place}: more bytes landed than were written.");
    }

    private static RecordedOutcome Outcome(CaseFields json, StepKind kind, ulong address) => new(
        json.Text("status") switch
        {
            "ok" or "delivered" => DmaResult.Ok,
            "blocked" => DmaResult.Blocked,
            "dropped" => DmaResult.Dropped,
            string other => throw new CaseFileException($"{json.Place}: '{other}' is no status of the format."),
        },
        json.Number("FSTS", uint.MaxValue),
        json.Number("FRCD_LO"),
        json.Number("FRCD_HI"),
        [.. json.EachIfAny("faults_reported", ", fault").Select(Fault)],
        json.Has("faults_reported") || (kind != StepKind.Message && !InterruptRange.Contains(address)),
        json.Has("fpd_suppressed") && json.Flag("fpd_suppressed"),
        kind == StepKind.DmaRead ? json.Bytes("data") : [],
        [.. json.EachIfAny("landed", ", piece").Select(piece => new RecordedLanding(piece.Number("gpa"), piece.Count("len", 1, TransferMax), piece.Flag("ok")))],
        Interrupts(json.EachIfAny("irqs", ", interrupt")));

    private static RecordedFault Fault(CaseFields json) => new(
        new((ushort)json.Number("sid", ushort.MaxValue)),
        (int)json.Number("reason", byte.MaxValue),
        json.Number("addr") & ~0xFFFul,
        json.Bit("write"));

    private static RecordedInterrupt[] Interrupts(IEnumerable<CaseFields> fields) =>
    [
        .. fields.Select(one => new RecordedInterrupt(
            (ulong)one.Count("dest", 0, int.MaxValue),
            one.Bit("dest_mode"),
            one.Count("delivery_mode", 0, 7),
            one.Count("vector", 0, byte.MaxValue),
            one.Bit("trigger_mode"))),
    ];

    private static ulong Fitting(CaseFields json, string name) => json.Number(name, RegisterFile.AllOnes(json.Count("size", 4, 8)));

    private static byte[] Short(CaseFields json, string name, int max)
    {
        byte[] bytes = json.Bytes(name);
        return bytes.Length <= max ? bytes : throw new CaseFileException($"{json.Place}: '{name}' has {bytes.Length} bytes, more than {max}.");
    }
}
