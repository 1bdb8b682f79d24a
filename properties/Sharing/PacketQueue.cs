using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A queue head whose transfers never run out, one packet each, and what the device answers to them.</summary>
/// <param name="IsIn">Whether the device sends.</param>
/// <param name="Bytes">The longest packet, 512 at most.</param>
/// <param name="Script">The answers.</param>
/// <param name="NakReload">After how many NAKs it is left alone for a round; 0 for never.</param>
internal sealed record PacketQueue(bool IsIn, int Bytes, DeviceAnswer[] Script, int NakReload = 0)
{
    /// <summary>Whether each visit finds something to do: it is never halted and never left alone.</summary>
    public bool IsGreedy => NakReload == 0 && Array.TrueForAll(Script, static answer => answer.Pid != UsbPid.Stall);

    /// <summary>A queue that asks a device that never has anything.</summary>
    public static PacketQueue Naking => new(IsIn: true, 512, [DeviceAnswer.Nak]);

    /// <summary>A queue that moves packets of a length.</summary>
    public static PacketQueue Moving(int bytes, bool isIn = true) => new(isIn, bytes, [DeviceAnswer.Data(bytes)]);

    public override string ToString() => $"{(IsIn ? "IN" : "OUT")} {Bytes} RL {NakReload}: {string.Join(' ', Script.Select(answer => answer.Pid == UsbPid.Data0 ? $"{answer.Bytes}" : $"{answer.Pid}"))}";
}
