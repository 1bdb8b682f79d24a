#:project Lab/Lab.csproj
#:property PublishAot=false

// Eight small devices with one bad habit each: they forge interrupts, translations and names, keep what they were told to
// forget, and flood the system. Each is assigned to a VM that has a neighbour, with what stands against it on and then off.
// docs/rogue-devices.md explains the lines. Run it with: dotnet run samples/06-rogue-devices.cs
using Dma.Lab;

string habit = "";
foreach (RogueResult result in RogueTrials.Run())
{
    // 1. What it does: docs/rogue-devices.md says which file of samples/Devices/Rogues does it.
    if (result.Habit != habit)
        Console.WriteLine($"It {habit = result.Habit}.");

    // 2. What stands against it, what the bus said, and what came of it.
    Console.WriteLine($"  {result.Protection} {(result.IsOn ? "on" : "off")}: {result.Status}, reached {result.Reached}");
    foreach (string record in result.Records)
        Console.WriteLine($"    recorded: {record}");
}

// It prints:
// ?
