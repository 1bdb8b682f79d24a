using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>TRBs as tests need them.</summary>
internal static class XhciTrbs
{
    public static Trb EnableSlot() => new(new EnableSlotCommand { Type = TrbType.EnableSlot }.Raw);

    public static Trb OfSlot(TrbType type, int slot) => new(new SlotCommand { Type = type, Slot = (byte)slot }.Raw);

    public static Trb AddressDevice(int slot, ulong input, bool blocks = false) =>
        new(new ContextCommand { Type = TrbType.AddressDevice, Slot = (byte)slot, InputContext = input, BlockSetAddress = blocks }.Raw);

    public static Trb ConfigureEndpoint(int slot, ulong input, bool deconfigures = false) =>
        new(new ContextCommand { Type = TrbType.ConfigureEndpoint, Slot = (byte)slot, InputContext = input, Deconfigure = deconfigures }.Raw);

    public static Trb EvaluateContext(int slot, ulong input) =>
        new(new ContextCommand { Type = TrbType.EvaluateContext, Slot = (byte)slot, InputContext = input }.Raw);

    public static Trb OfEndpoint(TrbType type, int slot, int index) =>
        new(new EndpointCommand { Type = type, Slot = (byte)slot, Endpoint = index }.Raw);

    public static Trb SetDequeue(int slot, int index, ulong pointer, bool cycle, int stream = 0) => new(new SetDequeueCommand
    {
        Type = TrbType.SetDequeue,
        Slot = (byte)slot,
        Endpoint = index,
        Dequeue = pointer,
        CycleState = cycle,
        Stream = (ushort)stream,
    }.Raw);

    public static Trb Normal(ulong buffer, int length, bool interrupts = true, bool chain = false, bool interruptsOnShort = false, int interrupter = 0) => new(new NormalTrb
    {
        Type = TrbType.Normal,
        Buffer = buffer,
        Length = length,
        InterruptOnCompletion = interrupts,
        Chain = chain,
        InterruptOnShort = interruptsOnShort,
        Interrupter = interrupter,
    }.Raw);

    public static Trb Setup(SetupPacket packet, SetupTransferType type) => new(new SetupTrb
    {
        Type = TrbType.Setup,
        Packet = packet,
        Length = 8,
        Immediate = true,
        TransferType = type,
    }.Raw);

    public static Trb Data(ulong buffer, int length, bool isIn) => new(new DataTrb { Type = TrbType.Data, Buffer = buffer, Length = length, In = isIn }.Raw);

    public static Trb Status(bool isIn) => new(new StatusTrb { Type = TrbType.Status, In = isIn, InterruptOnCompletion = true }.Raw);

    public static Trb EventData(ulong data, bool chain = false) =>
        new(new EventDataTrb { Type = TrbType.EventData, Data = data, InterruptOnCompletion = true, Chain = chain }.Raw);

    public static Trb Isochronous(ulong buffer, int length, int? frame = null, bool chain = false) => new(new IsochronousTrb
    {
        Type = TrbType.Isochronous,
        Buffer = buffer,
        Length = length,
        Frame = frame ?? 0,
        AsSoonAsPossible = frame is null,
        InterruptOnCompletion = !chain,
        Chain = chain,
    }.Raw);

    public static TransferEvent[] Transfers(IEnumerable<Trb> events) =>
        [.. events.Where(trb => trb.Type == TrbType.TransferEvent).Select(trb => new TransferEvent(trb.Raw))];

    public static CommandCompletionEvent[] Completions(IEnumerable<Trb> events) =>
        [.. events.Where(trb => trb.Type == TrbType.CommandCompletion).Select(trb => new CommandCompletionEvent(trb.Raw))];
}
